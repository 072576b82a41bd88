// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import "github.com/holdfast-mcp/holdfast/jsonrpc"

// mapMembers returns obj with the value of each member replaced by what f returns for
// it; nil takes the member out. It returns obj itself when nothing changes, so that
// what is right costs no copy.
func mapMembers(obj Raw, f func(name string, value Raw) Raw) Raw {
	var out Raw
	kept := 0
	for quoted, value := range jsonrpc.Members(obj) {
		name, _ := jsonrpc.Unquote(quoted)
		next := f(name, value)
		if out == nil {
			if same(next, value) {
				kept++
				continue
			}
			out = firstMembers(obj, kept)
		}
		if next != nil {
			out = append(append(append(separate(out), quoted...), ':'), next...)
		}
	}
	if out == nil {
		return obj
	}
	return append(out, '}')
}

// mapElements is mapMembers for the elements of an array.
func mapElements(arr Raw, f func(i int, value Raw) Raw) Raw {
	var out Raw
	i := 0
	for value := range jsonrpc.Elements(arr) {
		next := f(i, value)
		if out == nil && !same(next, value) {
			out = firstElements(arr, i)
		}
		if out != nil && next != nil {
			out = append(separate(out), next...)
		}
		i++
	}
	if out == nil {
		return arr
	}
	return append(out, ']')
}

// firstMembers returns an unclosed object with the first n members of obj.
func firstMembers(obj Raw, n int) Raw {
	out := append(make(Raw, 0, len(obj)+64), '{')
	for quoted, value := range jsonrpc.Members(obj) {
		if n--; n < 0 {
			break
		}
		out = append(append(append(separate(out), quoted...), ':'), value...)
	}
	return out
}

// firstElements returns an unclosed array with the first n elements of arr.
func firstElements(arr Raw, n int) Raw {
	out := append(make(Raw, 0, len(arr)+64), '[')
	for value := range jsonrpc.Elements(arr) {
		if n--; n < 0 {
			break
		}
		out = append(separate(out), value...)
	}
	return out
}

// separate appends a comma unless the array or object has only been opened.
func separate(out Raw) Raw {
	if len(out) > 1 {
		return append(out, ',')
	}
	return out
}

// same reports whether a and b are the same bytes in memory.
func same(a, b Raw) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// isEmpty reports whether v is [] or {}.
func isEmpty(v Raw) bool {
	for range jsonrpc.Elements(v) {
		return false
	}
	for range jsonrpc.Members(v) {
		return false
	}
	return v.Kind() == '[' || v.Kind() == '{'
}
