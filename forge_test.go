// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is what these tests read of a file below .github/workflows.
type workflow struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Jobs        map[string]struct {
		RunsOn   string `yaml:"runs-on"`
		Timeout  int    `yaml:"timeout-minutes"`
		Strategy struct {
			Matrix map[string][]string
		}
		Steps []struct{ Uses, Run string }
	}
}

var (
	madeTarget = regexp.MustCompile(`(?m)\bmake ([a-z-]+|\$\{\{ matrix\.\w+ \}\})`)
	fromMatrix = regexp.MustCompile(`^\$\{\{ matrix\.(\w+) \}\}$`)
	pinned     = regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40}$`)
)

// TestWorkflows holds that the workflows run targets of the Makefile, that each of
// their jobs ends by itself, and that what they use of others cannot change.
func TestWorkflows(t *testing.T) {
	targets := makeTargets(t)
	files, err := filepath.Glob(filepath.Join(".github", "workflows", "*.yml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d workflows, %v; want at least 3", len(files), err)
	}
	made := 0
	for _, file := range files {
		var w workflow
		readYAML(t, file, &w)
		if w.Name == "" || len(w.On) == 0 || len(w.Permissions) == 0 || len(w.Jobs) == 0 {
			t.Errorf("%s lacks a name, triggers, permissions or jobs", file)
		}
		for name, job := range w.Jobs {
			if job.RunsOn == "" || job.Timeout == 0 {
				t.Errorf("%s: job %s does not say where it runs or for how long", file, name)
			}
			for _, step := range job.Steps {
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: %s is not pinned by its commit", file, step.Uses)
				}
				for _, target := range stepTargets(step.Run, job.Strategy.Matrix) {
					made++
					if !slices.Contains(targets, target) {
						t.Errorf("%s runs make %s, which the Makefile lacks", file, target)
					}
				}
			}
		}
	}
	if made < 5 {
		t.Errorf("the workflows run %d targets, want at least 5", made)
	}
}

// TestForgeFiles reads the other files of .github, which the forge ignores without a
// word when they are malformed.
func TestForgeFiles(t *testing.T) {
	var bot struct {
		Version int
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	readYAML(t, filepath.Join(".github", "dependabot.yml"), &bot)
	if bot.Version != 2 || len(bot.Updates) == 0 {
		t.Errorf("dependabot.yml: version %d with %d kinds of updates", bot.Version, len(bot.Updates))
	}
	for _, u := range bot.Updates {
		for _, dir := range append(u.Directories, u.Directory) {
			if found, err := filepath.Glob("." + dir); err != nil || len(found) == 0 {
				t.Errorf("dependabot.yml: %s: %q is no folder", u.Ecosystem, dir)
			}
		}
	}
	forms, err := filepath.Glob(filepath.Join(".github", "ISSUE_TEMPLATE", "*.yml"))
	if err != nil || len(forms) < 3 {
		t.Fatalf("%d issue templates, %v; want at least 3", len(forms), err)
	}
	for _, file := range forms {
		if filepath.Base(file) == "config.yml" {
			continue
		}
		var form struct {
			Name, Description string
			Body              []struct {
				Type       string
				Attributes map[string]any
			}
		}
		readYAML(t, file, &form)
		if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
			t.Errorf("%s lacks a name, a description or questions", file)
		}
	}
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// makeTargets returns the targets of the Makefile.
func makeTargets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):( |$)`).FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	return all
}

// stepTargets returns the targets that a step makes, those of its job's matrix included.
func stepTargets(run string, matrix map[string][]string) []string {
	var all []string
	for _, m := range madeTarget.FindAllStringSubmatch(run, -1) {
		if name := fromMatrix.FindStringSubmatch(m[1]); name != nil && len(matrix[name[1]]) > 0 {
			all = append(all, matrix[name[1]]...)
		} else {
			all = append(all, m[1])
		}
	}
	return all
}
