// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package schematest checks MCP messages against the official JSON schema of
// any revision. It is a test kit: product code does not import it.
//
// Schemas are read and definitions compiled once, on first use. All functions
// are safe for concurrent use; the package starts no goroutine.
package schematest

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

//go:embed schema/*.json
var files embed.FS

// Side says who sent a message.
type Side int

// The sides.
const (
	FromServer Side = iota + 1
	FromClient
)

// String returns "server" or "client".
func (s Side) String() string {
	if s == FromServer {
		return "server"
	}
	return "client"
}

// Check validates one JSON-RPC message as sent by side under version v: the
// envelope, and for a request or notification its params by the definition of
// the method. A method that v does not have in that direction is an error. Of a
// response only the envelope can be checked; see [CheckResult].
func Check(v mcp.Version, side Side, msg []byte) error {
	doc, err := document(v)
	if err != nil {
		return err
	}
	m, err := jsonrpc.Decode(msg, jsonrpc.DefaultLimits())
	if err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	switch m.Kind() {
	case jsonrpc.Request:
		return doc.call(side, "Request", m.Method, msg)
	case jsonrpc.Notification:
		return doc.call(side, "Notification", m.Method, msg)
	}
	if m.Error != nil {
		return doc.failure(m.Error.Code, msg)
	}
	return doc.validate(doc.first("JSONRPCResultResponse", "JSONRPCResponse"), msg)
}

// CheckResult validates the result that answers method under version v, be it
// a server's or a client's.
func CheckResult(v mcp.Version, method string, result []byte) error {
	doc, err := document(v)
	if err != nil {
		return err
	}
	name, err := doc.resultDefinition(method, result)
	if err != nil {
		return err
	}
	return doc.validate(name, result)
}

// CheckParams validates the params of a request or notification, nil for none.
// Under a modern version the questions of a server are those inside
// input-required results.
func CheckParams(v mcp.Version, side Side, method string, params []byte) error {
	if side == FromServer && v.Era() == mcp.Modern && v.Features().Ask(method) {
		doc, err := document(v)
		if err != nil {
			return err
		}
		ask := jsonrpc.Set(nil, "method", jsonrpc.AppendString(nil, method))
		if params != nil {
			ask = jsonrpc.Set(ask, "params", params)
		}
		return doc.validate(doc.byMethod[method], ask)
	}
	if strings.HasPrefix(method, "notifications/") {
		return Check(v, side, jsonrpc.AppendNotification(nil, method, params))
	}
	return Check(v, side, jsonrpc.AppendRequest(nil, jsonrpc.IntID(1), method, params))
}

// doc is the schema of one version.
type doc struct {
	version  mcp.Version
	defs     map[string]*jsonschema.Schema
	keyword  string              // "definitions" or "$defs"
	byMethod map[string]string   // definition of a request or notification
	unions   map[string][]string // ClientRequest and its like

	mu       sync.Mutex
	compiled map[string]*jsonschema.Resolved
}

var documents = struct {
	sync.Mutex
	byVersion map[mcp.Version]*doc
}{byVersion: map[mcp.Version]*doc{}}

func document(v mcp.Version) (*doc, error) {
	documents.Lock()
	defer documents.Unlock()
	if d := documents.byVersion[v]; d != nil {
		return d, nil
	}
	d, err := load(v)
	if err != nil {
		return nil, fmt.Errorf("load schema of %q: %w", v, err)
	}
	documents.byVersion[v] = d
	return d, nil
}

func load(v mcp.Version) (*doc, error) {
	text, err := files.ReadFile("schema/" + string(v) + ".json")
	if err != nil {
		return nil, err
	}
	var root struct {
		Definitions map[string]*jsonschema.Schema `json:"definitions"`
		Defs        map[string]*jsonschema.Schema `json:"$defs"`
	}
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	d := &doc{
		version: v, defs: root.Definitions, keyword: "definitions",
		byMethod: map[string]string{}, unions: map[string][]string{}, compiled: map[string]*jsonschema.Resolved{},
	}
	if d.defs == nil {
		d.defs, d.keyword = root.Defs, "$defs"
	}
	for name, def := range d.defs {
		method := def.Properties["method"]
		if strings.HasPrefix(name, "Client") || strings.HasPrefix(name, "Server") {
			continue // a union, perhaps of one
		}
		if method != nil && method.Const != nil {
			d.byMethod[fmt.Sprint(*method.Const)] = name
		}
	}
	for _, union := range []string{"ClientRequest", "ClientNotification", "ServerRequest", "ServerNotification"} {
		if def := d.defs[union]; def != nil {
			d.unions[union] = refs(def)
		}
	}
	return d, nil
}

// refs returns the names of the definitions that a union, or an alias, refers to.
func refs(def *jsonschema.Schema) []string {
	if def.Ref != "" {
		return []string{def.Ref[strings.LastIndexByte(def.Ref, '/')+1:]}
	}
	var names []string
	for _, s := range def.AnyOf {
		names = append(names, refs(s)...)
	}
	return names
}

// first returns the first of the names that is defined.
func (d *doc) first(names ...string) string {
	for _, name := range names {
		if d.defs[name] != nil {
			return name
		}
	}
	return names[0]
}

// call validates a request or a notification; kind is one of these words.
func (d *doc) call(side Side, kind, method string, msg []byte) error {
	union := "Server" + kind
	if side == FromClient {
		union = "Client" + kind
	}
	name, known := d.byMethod[method]
	if !known || !d.has(union, name) {
		return fmt.Errorf("version %s has no %s %q from a %s", d.version, strings.ToLower(kind), method, side)
	}
	return errors.Join(d.validate("JSONRPC"+kind, msg), d.validate(name, msg))
}

func (d *doc) has(union, name string) bool {
	return slices.Contains(d.unions[union], name) || d.isAlias(union, name)
}

// isAlias reports whether a union of one member is written as that member itself.
func (d *doc) isAlias(union, name string) bool {
	def := d.defs[union]
	if def == nil || def.Properties["method"] == nil || def.Properties["method"].Const == nil {
		return false
	}
	return d.byMethod[fmt.Sprint(*def.Properties["method"].Const)] == name
}

// failure validates an error response, by its own definition if its code has one.
func (d *doc) failure(code int64, msg []byte) error {
	err := d.validate(d.first("JSONRPCErrorResponse", "JSONRPCError"), msg)
	special := map[int64]string{
		mcp.CodeURLElicitationRequired: "URLElicitationRequiredError",
		mcp.CodeHeaderMismatch:         "HeaderMismatchError",
		mcp.CodeMissingCapability:      "MissingRequiredClientCapabilityError",
		mcp.CodeUnsupportedVersion:     "UnsupportedProtocolVersionError",
	}[code]
	switch {
	case special != "" && d.defs[special] != nil:
		err = errors.Join(err, d.validate(special, msg))
	case special != "":
		err = errors.Join(err, fmt.Errorf("version %s does not define the error code %d", d.version, code))
	case code == mcp.CodeResourceNotFound && d.version.Era() == mcp.Modern:
		err = errors.Join(err, fmt.Errorf("version %s forbids the error code %d", d.version, code))
	}
	return err
}

// validate checks text against the definition called name.
func (d *doc) validate(name string, text []byte) error {
	schema, err := d.compile(name)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return fmt.Errorf("decode for %s: %w", name, err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("not a %s of %s: %w", name, d.version, err)
	}
	return nil
}

// compile returns the definition called name, ready to validate.
func (d *doc) compile(name string) (*jsonschema.Resolved, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if schema := d.compiled[name]; schema != nil {
		return schema, nil
	}
	if d.defs[name] == nil {
		return nil, fmt.Errorf("version %s does not define %q", d.version, name)
	}
	root := &jsonschema.Schema{Ref: "#/" + d.keyword + "/" + name}
	defs := map[string]*jsonschema.Schema{}
	d.gather(name, defs)
	if d.keyword == "$defs" {
		root.Defs = defs
	} else {
		root.Definitions = defs
	}
	schema, err := root.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("compile %s of %s: %w", name, d.version, err)
	}
	d.compiled[name] = schema
	return schema, nil
}

// gather copies name and all it refers to into defs. A schema can be part of
// one resolved document only, hence the copies.
func (d *doc) gather(name string, defs map[string]*jsonschema.Schema) {
	if defs[name] != nil || d.defs[name] == nil {
		return
	}
	text, err := json.Marshal(d.defs[name])
	if err != nil {
		return // it was read from JSON, so this cannot be
	}
	var def jsonschema.Schema
	if json.Unmarshal(text, &def) != nil {
		return
	}
	defs[name] = &def
	prefix := `"#/` + d.keyword + `/`
	for rest := string(text); ; {
		_, after, found := strings.Cut(rest, prefix)
		if !found {
			return
		}
		ref, tail, _ := strings.Cut(after, `"`)
		d.gather(ref, defs)
		rest = tail
	}
}
