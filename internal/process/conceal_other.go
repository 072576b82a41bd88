// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package process

func conceal() error { return nil }

func eraseEnv(string) {}
