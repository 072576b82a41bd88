// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package streamable

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"math"
	"runtime"
	"strings"
	"sync"
	"weak"
)

// gzipFrom is the size, in bytes, from which on a part of an answer is compressed.
// What comes from one client alone, such as a request's id, is smaller.
const gzipFrom = 2 << 10

// deflated keeps the compressed form of parts that many answers share, so that each
// is compressed once. A form lives as long as its part is in memory. The zero value
// is ready; it is safe for concurrent use.
type deflated struct {
	mu    sync.Mutex
	parts map[weak.Pointer[byte]]deflatedPart // by where they begin
}

type deflatedPart struct {
	size int // of the part
	data func() []byte
}

// of returns a part as deflate blocks of which none is the last one, nil when it is
// to be sent as it is. Others who want the same part meanwhile wait.
func (d *deflated) of(part []byte) []byte {
	if len(part) < gzipFrom {
		return nil
	}
	where := weak.Make(&part[0])
	d.mu.Lock()
	known, has := d.parts[where]
	if !has {
		known = deflatedPart{len(part), sync.OnceValue(func() []byte { return deflate(part) })}
		if d.parts == nil {
			d.parts = map[weak.Pointer[byte]]deflatedPart{}
		}
		d.parts[where] = known
		runtime.AddCleanup(&part[0], d.forget, where)
	}
	d.mu.Unlock()
	if known.size != len(part) {
		return nil // another text that begins at the same place
	}
	return known.data()
}

func (d *deflated) forget(where weak.Pointer[byte]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.parts, where)
}

func deflate(part []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		panic("streamable: " + err.Error()) // the level exists
	}
	_, _ = w.Write(part) // to memory
	_ = w.Flush()        // ends the block at the end of a byte
	return out.Bytes()
}

// gzip returns the parts as one gzip member, and its size. The small ones, which
// differ from answer to answer, are stored as they are. It returns nil when there
// is nothing to compress.
//
// RFC 1952, and RFC 1951 section 3.2.4 for stored blocks.
func (d *deflated) gzip(parts [][]byte) (member [][]byte, size int) {
	member = append(member, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255})
	sum, length, compressed := uint32(0), 0, false
	for _, part := range parts {
		sum, length = crc32.Update(sum, crc32.IEEETable, part), length+len(part)
		if blocks := d.of(part); blocks != nil {
			member, compressed = append(member, blocks), true
			continue
		}
		for len(part) > 0 {
			block := part[:min(len(part), math.MaxUint16)]
			member, part = append(member, stored(len(block), 0), block), part[len(block):]
		}
	}
	if !compressed {
		return nil, 0
	}
	end := binary.LittleEndian.AppendUint32(stored(0, 1), sum)
	member = append(member, binary.LittleEndian.AppendUint32(end, uint32(length)))
	for _, piece := range member {
		size += len(piece)
	}
	return member, size
}

// stored is the beginning of a stored block of so many bytes; last is 1 for the
// last one of all.
func stored(size int, last byte) []byte {
	head := binary.LittleEndian.AppendUint16([]byte{last}, uint16(size))
	return binary.LittleEndian.AppendUint16(head, ^uint16(size))
}

// takesGzip reports whether an Accept-Encoding header admits gzip.
func takesGzip(accept []string) bool {
	for _, value := range accept {
		for coding := range strings.SplitSeq(value, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			name, weight = strings.ToLower(strings.TrimSpace(name)), strings.ReplaceAll(weight, " ", "")
			if name == "gzip" || name == "x-gzip" {
				return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
			}
		}
	}
	return false
}
