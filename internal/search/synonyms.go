// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package search

import "strings"

// synonyms are words that stand for one another in what people say of tools, a
// group a line. They are general English and the general language of software;
// none is made for one server.
var synonyms = groups(`
	create make new add insert
	delete remove drop erase discard forget
	update edit modify change alter set
	get read fetch retrieve show view
	list enumerate show display
	find search lookup look query
	run execute invoke start trigger
	stop cancel abort terminate kill
	open launch navigate visit
	send post submit publish
	reply respond answer
	copy duplicate clone
	move rename
	download fetch pull clone
	upload push
	save store keep write
	back previous return
	undo revert reset restore rollback
	retry rerun restart
	extract unpack decompress
	compress pack zip archive
	backup dump export save
	several multiple many
	folder directory
	document file
	picture image photo screenshot
	repository repo
	ticket issue bug incident
	pr pull merge
	message note comment email mail
	chart diagram graph plot visualize
	webpage page site website
	web internet online
	http network request traffic
	javascript js script
	database table collection
	record entry row document
	person user member account
	customer client contact
	bill invoice charge
	login auth authenticate signin
	meeting event appointment calendar
	remember memorize memory
	size big large
	resize scale
	job build pipeline ci
	log output stdout console
	error exception failure fail
	info information detail metadata
	schedule cron agenda
	type enter fill input
	container pod docker
	notify alert monitor watch
	slow performance latency
	merge combine join unite
	select choose pick option dropdown
	dialog popup alert prompt
	press hit key keyboard
	tell send post notify say
	tag label mark flag
	paper article research scientific
	node machine host server
	deploy install release rollout
	link url address
	place location address coordinate geocode
	route direction drive navigate
	height elevation altitude
	team group organization
	field column property attribute schema
	storage disk space size
	crash error exception
	channel chat conversation
	switch checkout toggle
	plan milestone iteration sprint
	permission access role allow grant
	lock protect
	test check verify validate assert
	play resume continue
`)

// groups returns, for each word, the others of its groups.
func groups(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		group := words(line)
		for i, word := range group {
			for j, other := range group {
				if i != j {
					all[word] = append(all[word], other)
				}
			}
		}
	}
	return all
}
