// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"mime"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Bounds of one skill.
//
// spec extension io.modelcontextprotocol/skills: at most 512 files and 16 MiB.
const (
	maxSkillFiles = 512
	maxSkillBytes = 16 << 20
)

const skillFile = "SKILL.md"

// skill is a directory of files, kept in memory so that the digests hold.
type skill struct {
	mcp.Skill
	root string // skill://<name>
	json Raw
	dirs map[string][]mcp.Resource // direct children by the URI of the directory
	uris []string                  // of all files
}

func (k *skill) key() string { return k.URI }
func (k *skill) listed() Raw { return k.json }

// AddSkill adds the skill in the root of files, or replaces the one of that
// name: its SKILL.md with frontmatter, whose name names the skill, and whatever
// lies beside and below it. The files are read once. It is first called before
// the server serves.
//
// spec extension io.modelcontextprotocol/skills (SEP-2640).
func (s *Server) AddSkill(files fs.FS) error {
	contents, err := readFiles(files)
	if err != nil {
		return fmt.Errorf("server: skill: %w", err)
	}
	k, description, err := newSkill(contents)
	if err != nil {
		return fmt.Errorf("server: skill: %w", err)
	}
	if !s.offersSkills() {
		s.AddExtension(mcp.SkillsExtension(true), map[string]ExtensionHandler{
			mcp.MethodListSkills:    s.listSkills,
			mcp.MethodGetSkill:      s.getSkill,
			mcp.MethodReadDirectory: s.readDirectory,
		})
	}
	name := path.Base(k.root)
	for _, file := range slices.Sorted(maps.Keys(contents)) {
		if err := s.addSkillFile(k, name, description, file, contents[file]); err != nil {
			return fmt.Errorf("server: skill %q: %w", name, err)
		}
	}
	if old, replaced := s.skills.put(k); replaced {
		gone := slices.DeleteFunc(slices.Clone(old.uris), func(uri string) bool { return slices.Contains(k.uris, uri) })
		s.resources.remove(gone...)
	}
	s.publish(subscription.Resources, rpc.Change{Method: mcp.NotificationResourcesChanged})
	return nil
}

func (s *Server) offersSkills() bool {
	return slices.ContainsFunc(s.extensionList(), func(x mcp.Extension) bool { return x.ID == mcp.ExtensionSkills })
}

// addSkillFile makes a file of a skill readable; SKILL.md is listed as well.
func (s *Server) addSkillFile(k *skill, name, description, file string, data []byte) error {
	size := int64(len(data))
	r := &resource{Resource: mcp.Resource{URI: k.root + "/" + file, Name: file, MIMEType: fileType(file), Size: &size}}
	if file == skillFile {
		r.Name, r.Description = name, description
	} else {
		r.hidden = true
	}
	var err error
	if r.json, err = marshal(r.Resource); err != nil {
		return err
	}
	content := mcp.ResourceContents{MIMEType: r.MIMEType}
	if utf8.Valid(data) {
		content.Text = string(data)
	} else {
		content.Blob = data
	}
	r.read = func(context.Context, *Request) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []mcp.ResourceContents{content}}, nil
	}
	s.resources.put(r)
	return nil
}

// readFiles reads a skill within its bounds.
func readFiles(files fs.FS) (map[string][]byte, error) {
	contents, total := map[string][]byte{}, 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		contents[name] = data
		if total += len(data); len(contents) > maxSkillFiles || total > maxSkillBytes {
			return fmt.Errorf("more than %d files or %d bytes", maxSkillFiles, maxSkillBytes)
		}
		return nil
	})
	return contents, err
}

func newSkill(contents map[string][]byte) (k *skill, description string, err error) {
	front, err := frontmatter(contents[skillFile])
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", skillFile, err)
	}
	var head struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	if err := json.Unmarshal(front, &head); err != nil || head.Description == "" || !skillName(head.Name) {
		return nil, "", fmt.Errorf("%s: the frontmatter needs a name of a-z, 0-9 and '-', and a description", skillFile)
	}
	k = &skill{root: "skill://" + head.Name, dirs: map[string][]mcp.Resource{}}
	k.Skill = mcp.Skill{URI: k.root + "/" + skillFile, Frontmatter: front}
	for _, file := range slices.Sorted(maps.Keys(contents)) {
		sum := sha256.Sum256(contents[file])
		uri := k.root + "/" + file
		k.Resources = append(k.Resources, mcp.SkillResource{
			URI: uri, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(contents[file])),
		})
		k.uris = append(k.uris, uri)
		k.enter(file, int64(len(contents[file])))
	}
	k.json, err = marshal(k.Skill)
	return k, head.Description, err
}

// enter adds a file and the directories above it to the directory lists.
func (k *skill) enter(file string, size int64) {
	child := mcp.Resource{URI: k.root + "/" + file, Name: path.Base(file), MIMEType: fileType(file), Size: &size}
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		uri := k.root
		if dir != "." {
			uri += "/" + dir
		}
		siblings := k.dirs[uri]
		if !slices.ContainsFunc(siblings, func(r mcp.Resource) bool { return r.URI == child.URI }) {
			siblings = append(siblings, child)
			slices.SortFunc(siblings, func(a, b mcp.Resource) int { return cmp.Compare(a.URI, b.URI) })
			k.dirs[uri] = siblings
		}
		if dir == "." {
			return
		}
		child = mcp.Resource{URI: uri, Name: path.Base(dir), MIMEType: mcp.MIMEDirectory}
	}
}

func skillName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != ""
}

// fileType returns the media type of a file by its name.
func fileType(name string) string {
	ext := path.Ext(name)
	switch ext {
	case ".md":
		return "text/markdown"
	case ".txt":
		return "text/plain"
	}
	media, _, err := mime.ParseMediaType(mime.TypeByExtension(ext))
	if err != nil {
		return "application/octet-stream"
	}
	return media
}

// frontmatter returns the YAML between the first two lines of dashes as JSON.
func frontmatter(file []byte) (Raw, error) {
	rest, ok := bytes.CutPrefix(file, []byte("---\n"))
	if !ok {
		return nil, errors.New("it does not begin with a line ---")
	}
	head, _, ok := bytes.Cut(rest, []byte("\n---\n"))
	if !ok {
		return nil, errors.New("its frontmatter has no end")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(head, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("its frontmatter is not a mapping")
	}
	return appendYAML(nil, doc.Content[0], 0)
}

// appendYAML appends a node as JSON, members in the order of the text. Dates
// stay the strings they are.
func appendYAML(dst Raw, n *yaml.Node, depth int) (_ Raw, err error) {
	if depth > 32 {
		return nil, errors.New("nested too deep")
	}
	switch n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsonrpc.AppendString(dst, n.Content[i].Value), ':')
			if dst, err = appendYAML(dst, n.Content[i+1], depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, e := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendYAML(dst, e, depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case yaml.ScalarNode:
		return appendScalar(dst, n)
	}
	return nil, errors.New("aliases are not allowed")
}

func appendScalar(dst Raw, n *yaml.Node) (Raw, error) {
	switch n.ShortTag() {
	case "!!str", "!!timestamp", "!!binary":
		return jsonrpc.AppendString(dst, n.Value), nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// listSkills answers skills/list.
func (s *Server) listSkills(_ context.Context, req *Request) (any, error) {
	return s.skills.list(req.call)
}

// getSkill answers skills/get.
func (s *Server) getSkill(_ context.Context, req *Request) (any, error) {
	uri := req.URI()
	k, ok := s.skills.get(uri)
	if !ok {
		return nil, mcp.ResourceNotFound(uri)
	}
	body, err := marshal(mcp.GetSkillResult{Skill: k.Skill})
	return rpc.Result{Body: body, Cache: s.listCache}, err
}

// readDirectory answers resources/directory/read. Directories are small enough
// for one page.
func (s *Server) readDirectory(_ context.Context, req *Request) (any, error) {
	if _, given := jsonrpc.Get(req.Params(), "cursor"); given {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "invalid cursor")
	}
	uri := strings.TrimSuffix(req.URI(), "/")
	if err := rpc.CheckURI(uri); err != nil {
		return nil, err
	}
	for _, k := range s.skills.revision().order {
		if children, ok := k.dirs[uri]; ok {
			body, err := marshal(mcp.ReadDirectoryResult{Resources: children})
			return rpc.Result{Body: body, Cache: s.listCache}, err
		}
	}
	if read, _, _, _ := s.findResource(uri); read != nil {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "resource %s is not a directory", display.Quote(uri))
	}
	return nil, mcp.ResourceNotFound(uri)
}
