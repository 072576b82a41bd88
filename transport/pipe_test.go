// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPipeDeliversInOrder(t *testing.T) {
	a, b := Pipe()
	msg := []byte("1")
	if err := a.Write(msg); err != nil {
		t.Fatal(err)
	}
	msg[0] = 'x' // a Conn does not keep what it was given
	if err := a.Write([]byte("2")); err != nil {
		t.Fatal(err)
	}
	a.Close()
	for _, want := range []string{"1", "2"} {
		got, err := b.Read()
		if err != nil || string(got) != want {
			t.Fatalf("Read = %q, %v; want %q", got, err, want)
		}
	}
	if _, err := b.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("Read after the peer's end = %v, want EOF", err)
	}
	if err := b.Write([]byte("3")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after the peer's end = %v, want ErrClosed", err)
	}
}

func TestPipeCloseUnblocks(t *testing.T) {
	a, _ := Pipe()
	read := make(chan error)
	go func() { // ends with Close
		_, err := a.Read()
		read <- err
	}()
	a.Close()
	if err := <-read; !errors.Is(err, ErrClosed) {
		t.Errorf("Read = %v, want ErrClosed", err)
	}
}
