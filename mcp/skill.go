// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

// MIMEDirectory is the media type of a directory in resources/directory/read.
const MIMEDirectory = "inode/directory"

// Skill is one skill: its SKILL.md, that file's frontmatter, and all its files.
//
// spec extension io.modelcontextprotocol/skills (SEP-2640).
type Skill struct {
	URI         string          `json:"uri"` // skill://<path>/SKILL.md
	Frontmatter Raw             `json:"frontmatter"`
	Resources   []SkillResource `json:"resources"`
	Meta        Raw             `json:"_meta,omitzero"`
}

// SkillResource is a file of a skill.
type SkillResource struct {
	URI    string `json:"uri"`
	Digest string `json:"digest"` // "sha256:" and 64 hexadecimal digits, of the bytes
	Size   int64  `json:"size"`   // bytes
}

// ListSkillsResult is a page of skills.
type ListSkillsResult struct {
	Skills     []Skill `json:"skills"`
	NextCursor *string `json:"nextCursor,omitzero"`
	Meta       Raw     `json:"_meta,omitzero"`
}

// GetSkillResult is one skill.
type GetSkillResult struct {
	Skill Skill `json:"skill"`
	Meta  Raw   `json:"_meta,omitzero"`
}

// ReadDirectoryResult is a page of a directory's direct children; those of type
// [MIMEDirectory] are directories themselves.
type ReadDirectoryResult struct {
	Resources  []Resource `json:"resources"`
	NextCursor *string    `json:"nextCursor,omitzero"`
	Meta       Raw        `json:"_meta,omitzero"`
}
