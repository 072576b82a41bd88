// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

const (
	// mostConns is how many connections there are by default where descriptors
	// abound. One that idles costs about 20 KB.
	mostConns = 1 << 17
	// unknownDescriptors is taken for a limit that the system does not tell.
	unknownDescriptors = 1 << 14
)

// Fit returns how many connections this process can have open, wanted if it is
// not 0, when it needs so many file descriptors for other things, and how many
// descriptors it may have. Where they do not suffice for both, either gets half.
func Fit(wanted, others int) (conns, descriptors int) {
	descriptors = limit()
	return fit(wanted, others, descriptors), descriptors
}

func fit(wanted, others, descriptors int) int {
	room := max(descriptors-others, descriptors/2)
	if wanted == 0 {
		wanted = mostConns
	}
	return max(min(wanted, room), 1)
}
