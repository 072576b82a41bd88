// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// read takes the one answer out of a response, be it JSON or a stream.
func (c *Client) read(ctx context.Context, res *http.Response) (Answer, error) {
	a := Answer{Status: res.StatusCode}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	switch kind {
	case "application/json":
		data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return a, fmt.Errorf("read answer: %w", err)
		}
		if !c.take(&a, data) {
			return a, &StatusError{res.StatusCode, kind, string(data[:min(len(data), 300)])}
		}
		return a, nil
	case "text/event-stream":
		answers := 0
		err := c.events(ctx, res.Body, func(data []byte) { // however much a flood sends: it is read line by line, and the call has a deadline
			if c.take(&a, data) {
				answers++
			}
		})
		switch {
		case answers > 1:
			return a, wrong("%d answers to one call", answers)
		case err != nil:
			return a, err
		case answers == 0:
			return a, fmt.Errorf("stream without the answer: %w", io.ErrUnexpectedEOF)
		}
		return a, nil
	}
	return a, statusError(res)
}

// events hands the data of each event to do, and to those who are concerned,
// until the stream ends.
func (c *Client) events(ctx context.Context, body io.Reader, do func(data []byte)) error {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if err := c.heed(ctx, data); err != nil {
				return err
			}
			do(data)
		} else if id, ok := bytes.CutPrefix(line, []byte("id:")); ok {
			c.LastID = string(bytes.TrimSpace(id))
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read stream: %w", err)
		}
	}
}

// heed answers a question of the server and passes notifications on.
func (c *Client) heed(ctx context.Context, data []byte) error {
	if c.Answer == nil && c.Notified == nil {
		return nil
	}
	var m struct {
		ID     jsontext.Value `json:"id"`
		Method string         `json:"method"`
		Params jsontext.Value `json:"params"`
	}
	if json.Unmarshal(data, &m) != nil {
		m.Method = "" // what it is shows when it is taken for the answer
	}
	switch {
	case m.Method == "":
	case m.ID == nil && c.Notified != nil:
		c.Notified(m.Method, m.Params)
	case m.ID != nil && c.Answer != nil:
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, c.Answer(m.Method, m.Params))
		if err := c.tell(ctx, body); err != nil {
			return fmt.Errorf("answer %s: %w", m.Method, err)
		}
	}
	return nil
}

// take reports whether data is the answer to the last request.
func (c *Client) take(a *Answer, data []byte) bool {
	var m struct {
		ID     jsontext.Value `json:"id"`
		Result jsontext.Value `json:"result"`
		Error  *Failure       `json:"error"`
	}
	if json.Unmarshal(data, &m) != nil || string(m.ID) != strconv.Itoa(c.id) || (m.Result == nil) == (m.Error == nil) {
		return false
	}
	a.Result, a.Error = m.Result, m.Error
	var result struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		IsError bool `json:"isError"`
	}
	if m.Result != nil && json.Unmarshal(m.Result, &result) == nil {
		a.Failed = result.IsError
		for _, part := range result.Content {
			a.Text += part.Text
		}
	}
	return true
}

// inputs answers the questions of a result that needs input: it returns the
// members that the next request has more, none when the result is complete.
//
// spec 2026-07-28 basic/mrtr.
func (c *Client) inputs(result jsontext.Value) (string, error) {
	var r struct {
		Type     string `json:"resultType"`
		State    string `json:"requestState"`
		Requests map[string]struct {
			Method string         `json:"method"`
			Params jsontext.Value `json:"params"`
		} `json:"inputRequests"`
	}
	if err := json.Unmarshal(result, &r); err != nil {
		return "", wrong("result: %v", err)
	}
	if r.Type != "input_required" {
		return "", nil
	}
	if c.Answer == nil {
		return "", wrong("a client that cannot be asked is asked: %.300s", result)
	}
	var answers strings.Builder
	for key, q := range r.Requests {
		fmt.Fprintf(&answers, `,%s:%s`, strconv.Quote(key), c.Answer(q.Method, q.Params))
	}
	return `,"inputResponses":` + join("{}", answers.String()) + `,"requestState":` + strconv.Quote(r.State), nil
}

// Listen holds the standing stream of a client open until it ends. A legacy
// stream is continued after the event LastID, if there is one. filter is what a
// modern client listens to, an object.
func (c *Client) Listen(ctx context.Context, filter string) error {
	var res *http.Response
	var err error
	if c.Modern {
		res, err = c.post(ctx, "subscriptions/listen", "", c.message("subscriptions/listen", `{"notifications":`+filter+`}`))
	} else {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		req.Header.Set("Accept", "text/event-stream")
		if c.LastID != "" {
			req.Header.Set("Last-Event-ID", c.LastID)
		}
		c.identify(req)
		res, err = c.HTTP.Do(req)
	}
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return statusError(res)
	}
	return c.events(ctx, res.Body, func([]byte) {})
}
