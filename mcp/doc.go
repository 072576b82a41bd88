// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package mcp is what Holdfast knows of the Model Context Protocol itself: its
// versions and eras, the table of what each version has, method and error
// codes, capability and content types, and the conversion of messages from the
// newest shape to an older one.
//
// It does no I/O and starts no goroutine. It and the two era engines are the
// only packages that name a version; everybody else asks the feature table.
package mcp
