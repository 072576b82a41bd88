// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpserver makes HTTP servers that strangers may reach: what they can
// hold without sending a request, without finishing one, or without reading an
// answer is bounded. Connections are bounded in number, in all and by address;
// header, idle time and each write have deadlines; HTTP/2 has as many streams and
// as much buffered as HTTP/1.1 clients could have in their place.
//
// Bodies and long answers are the transports' own, which roll their deadlines
// (package httpio). The package starts no goroutine.
package httpserver
