// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// terminal returns a terminal and the person's end of it.
func terminal(t *testing.T) (tty, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(person.Fd()) // a descriptor
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close(); tty.Close() })
	return tty, person
}

// TestAsk has a person answer a form on a terminal.
func TestAsk(t *testing.T) {
	form := &mcp.ElicitParams{Message: "Who?", RequestedSchema: jsonrpc.Raw(`{"type":"object","properties":{
		"name":{"type":"string"},"colour":{"type":"string","enum":["red","green"]},"age":{"type":"integer"}},"required":["name","colour"]}`)}
	page := &mcp.ElicitParams{Mode: mcp.ElicitURL, Message: "Sign in", URL: "https://h.example/"}
	for _, tc := range []struct {
		asked   *mcp.ElicitParams
		typed   string
		action  string
		content string
		shown   string
	}{
		{form, "Ann\n2\n\n", mcp.ActionAccept, `{"name":"Ann","colour":"green"}`, "Who?\n(!decline declines, !cancel cancels)\nname\ntext: colour\n  1  red"},
		{form, "Ann\nblue\nred\nx\n7\n", mcp.ActionAccept, `{"name":"Ann","colour":"red","age":7}`, `"blue" is none of the 2 choices`},
		{form, "Ann\n!decline\n", mcp.ActionDecline, "", ""},
		{form, "!cancel\n", mcp.ActionCancel, "", ""},
		{form, "\x04", mcp.ActionCancel, "", ""}, // Ctrl-D
		{page, "y\n", mcp.ActionAccept, "", "open https://h.example/"},
		{page, "n\n", mcp.ActionDecline, "", ""},
		{&mcp.ElicitParams{Message: "Sure?", RequestedSchema: jsonrpc.Raw(`{"type":"object","properties":{}}`)}, "\n", mcp.ActionAccept, "{}", ""},
	} {
		tty, person := terminal(t)
		var errs output
		a := newAsker(&Env{In: tty, Err: &errs})
		if _, err := person.WriteString(tc.typed); err != nil {
			t.Fatal(err)
		}
		res, err := a.elicit(t.Context(), tc.asked)
		if err != nil {
			t.Fatal(err)
		}
		if res.Action != tc.action || string(res.Content) != tc.content || !strings.Contains(errs.String(), tc.shown) {
			t.Errorf("%q: %s %s, want %s %s; shown %q", tc.typed, res.Action, res.Content, tc.action, tc.content, errs.String())
		}
	}
}

// TestCtrlCEndsAQuestion: nobody answers, and the command ends all the same.
func TestCtrlCEndsAQuestion(t *testing.T) {
	s := server.New("asks", "1")
	server.AddTool(s, "ask", "Asks", func(ctx context.Context, req *server.Request, _ struct{}) (string, error) {
		_, _, err := server.Elicit[struct {
			Name string `json:"name"`
		}](ctx, req, "Who?")
		return "answered", err
	})
	web := httptest.NewServer(s)
	defer web.Close()
	defer s.Close()
	tty, _ := terminal(t)
	var out, errs output
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { // ends with interrupt, received below
		done <- Run(ctx, &Env{In: tty, Out: &out, Err: &errs, Getenv: os.LookupEnv}, []string{"call", web.URL, "ask"})
	}()
	poll(t, "the question", func() bool { return strings.Contains(errs.String(), "Who?") && strings.HasSuffix(errs.String(), ": ") })
	interrupt()
	if code := <-done; code != 130 || !strings.HasSuffix(errs.String(), "holdfast call: interrupted\n") {
		t.Errorf("ended with %d: %s%s", code, out.String(), errs.String())
	}
}

// TestNullIsNoTerminal: nobody types into /dev/null.
func TestNullIsNoTerminal(t *testing.T) {
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var errs output
	res, err := newAsker(&Env{In: in, Err: &errs}).elicit(t.Context(), &mcp.ElicitParams{Message: "Who?"})
	if err != nil || res.Action != mcp.ActionDecline || !strings.Contains(errs.String(), "no terminal") {
		t.Errorf("%+v, %v, %s", res, err, errs.String())
	}
}

// TestQuestionsAreShownSafely asks a person, who leaves at once.
func TestQuestionsAreShownSafely(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(hostileServer))
	defer s.Close()
	tty, person := terminal(t)
	if _, err := person.WriteString("\x04"); err != nil { // Ctrl-D
		t.Fatal(err)
	}
	var out, errs output
	code := Run(t.Context(), &Env{In: tty, Out: &out, Err: &errs, Getenv: os.LookupEnv}, []string{"call", s.URL, "asks"})
	want := shown + "\n(!decline declines, !cancel cancels)\n" + shown + ": " + shown + "\ntext, Enter for none: "
	if code != 0 || errs.String() != want {
		t.Errorf("asked %q, want %q; ended with %d", errs.String(), want, code)
	}
}
