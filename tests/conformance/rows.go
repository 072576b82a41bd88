// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

// section groups rows under a heading.
type section struct {
	title string
	rows  []row
}

const (
	namedOnce    = "A legacy server is told once per session: the client's with `sharing: session` or `call`, Holdfast's where clients share. With `session`, each call of a modern client has a process of its own."
	toldOnce     = "A legacy server is told once per session. HTTP servers get one session for each set of capabilities, and so do processes with `sharing: session` or `call`. A process that all share is told everything the policy allows; a question its client cannot answer is refused when it comes."
	noKeys       = "Legacy servers ask by requests, which have no key. The gateway makes one up; clients must send it back as they got it, and cannot answer before they are asked."
	oneLife      = "What has finished stays. The running task of a tool that is marked read-only or idempotent is begun again when its node is lost, under the same id; its questions are asked anew and its progress is not told. Any other task, and one whose call is over 32 KiB, fails and says so."
	ownLog       = "A legacy message does not say which call it belongs to: it is passed on when it comes on the call's own stream, or over stdio when the process has only had calls of one session."
	ownChanges   = "What changes only in the session or process of one client is not announced: the list is the same for all."
	lostCall     = "A call that is running is lost. The client is told so; nothing is repeated for it."
	legacySkills = "Skills need an extension, which legacy revisions do not have."
	oldContent   = "What a client's revision does not have is said in words it has: audio before 2025-03-26, links to resources before 2025-06-18. Structured content stays for 2025-06-18 and later; its text is always there."
)

// sections are the table. The order of the fates is that of directions: legacy clients of legacy and of modern
// servers, then modern clients of both.
var sections = []section{
	{"Meeting the server", []row{
		{"Handshake: `initialize`, `ping`, `server/discover`", everywhere(yes), []string{"server-initialize", "ping", "tasks-capability-negotiation"}},
		{"Every revision of the client's era", everywhere(yes), []string{"tools-list", "internal/engine/legacy TestWire"}},
		{"Sessions", [4]fate{yes, yes, yes, none}, []string{"server-session-lifecycle", "internal/backend TestSessionLostBeneath"}},
		{"Batches (2025-03-26)", [4]fate{yes, yes, none, none}, []string{"internal/engine/legacy/testdata/wire/2025-03-26/batch.txtar"}},
		{"The client's capabilities, narrowed by `capabilities`", [4]fate{partly(toldOnce), yes, partly(toldOnce), yes},
			[]string{"internal/backend TestCapabilitiesAreMirrored", "internal/backend TestHTTPSessionsSplitByCapabilities", "input-required-result-capability-check"}},
		{"The client's name and version", [4]fate{partly(namedOnce), yes, partly(namedOnce), yes},
			[]string{"internal/backend TestCapabilitiesAreMirrored", "internal/backend TestInstanceKnowsItsClient"}},
		{"The server's capabilities, name and instructions", everywhere(yes), []string{"internal/backend TestDiscoveryMirrorsTheServer", "server-initialize"}},
		{"Concurrent requests, Origin and Host checks", everywhere(yes), []string{"server-sse-multiple-streams", "dns-rebinding-protection"}},
	}},
	{"Tools, resources and prompts", []row{
		{"Lists, all pages of the server in one", everywhere(yes), []string{"tools-list", "resources-list", "prompts-list", "resources-templates-read"}},
		{"Lists that differ from session to session", everywhere(no("Lists are the same for all clients, as modern revisions demand. Those of a process that belongs to one session are not shown.")), nil},
		{"Input schemas, keyword by keyword", everywhere(yes), []string{"json-schema-2020-12"}},
		{"Calls: text, images, audio, embedded resources, errors of tools", [4]fate{partly(oldContent), partly(oldContent), yes, yes},
			[]string{"tools-call-simple-text", "tools-call-image", "tools-call-audio", "tools-call-embedded-resource", "tools-call-mixed-content", "tools-call-error"}},
		{"Structured content that is not an object", [4]fate{none, partly("Legacy revisions have objects only: anything else arrives as text."), none, yes}, []string{"mcp TestConvert"}},
		{"Reading resources and prompts", everywhere(yes), []string{"resources-read-text", "resources-read-binary", "prompts-get-simple", "prompts-get-with-args", "prompts-get-embedded-resource", "prompts-get-with-image"}},
		{"Completion", everywhere(yes), []string{"completion-complete"}},
		{"Arguments mirrored in headers (`x-mcp-header`)", [4]fate{none, yes, none, yes}, []string{"http-header-validation", "http-custom-header-server-validation", "client TestHeaderMismatchRefreshesTheSchema"}},
		{"Caching hints", [4]fate{none, no("Legacy revisions have none."), partly("A legacy server gives none: clients are told that results are private and stale at once."), yes}, []string{"caching"}},
	}},
	{"While a call runs", []row{
		{"Progress", [4]fate{yes, yes, partly("Not while the client is being asked something: there is no stream then."), yes}, []string{"tools-call-with-progress"}},
		{"Log messages at the level the client asked for", [4]fate{partly(ownLog), yes, partly(ownLog), yes},
			[]string{"internal/backend TestLogLevelFollowsTheCaller", "tools-call-with-logging", "logging-set-level"}},
		{"Cancelling", everywhere(yes), []string{"tests/e2e TestGatewayReportsProgressAndCancels"}},
		{"Going on after a lost connection", [4]fate{yes, yes, none, none}, []string{"internal/engine/legacy/testdata/wire/2025-11-25/stream.txtar"}},
		{"A server that ends the stream early, so that the client polls", [4]fate{partly("Over HTTP. Over stdio there is no stream to end."), no("A modern server cannot do so."), none, none}, []string{"server-sse-polling"}},
		{"Changes of lists and of watched resources", [4]fate{partly(ownChanges), yes, partly(ownChanges), yes},
			[]string{"server-stateless", "resources-subscribe", "resources-unsubscribe", "internal/gateway TestWatchesAreCounted"}},
		{"The client's `roots/list_changed`", [4]fate{partly("To the process or session that is one client's (`sharing: session`), before its next call, by which it can ask for the roots. Others are not told."), no("Modern revisions do not have it."), none, none},
			[]string{"internal/backend TestRootsAreThereBeforeTheFirstCall", "tests/e2e TestRootsReachTheServerOfTheSession"}},
	}},
	{"Questions to the client", []row{
		{"Forms (elicitation)", everywhere(yes), []string{"tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums", "input-required-result-multi-round", "input-required-result-non-tool-request"}},
		{"Sampling", everywhere(yes), []string{"tools-call-sampling", "input-required-result-basic-sampling"}},
		{"Roots", everywhere(yes), []string{"input-required-result-basic-list-roots", "tests/e2e TestServersAskThroughTheGateway", "tests/e2e TestRootsReachTheServerOfTheSession"}},
		{"Several questions at once", everywhere(yes), []string{"input-required-result-multiple-input-requests", "internal/engine/legacy/testdata/wire/2025-11-25/ask.txtar"}},
		{"The keys that a tool gives its questions", [4]fate{none, none, no(noKeys), yes}, []string{"input-required-result-basic-elicitation", "input-required-result-ignore-extra-params"}},
		{"Only what the client can answer", everywhere(yes), []string{"input-required-result-capability-check", "internal/engine/legacy/testdata/wire/2025-11-25/ask.txtar"}},
		{"State of the server, proof against tampering", [4]fate{none, yes, none, yes}, []string{"input-required-result-request-state", "input-required-result-tampered-state", "internal/engine/legacy/testdata/wire/2025-11-25/input.txtar"}},
		{"Questions outside any call", [4]fate{partly("They reach the client when they can be meant for one session only; else the server gets an error, which names the setting that helps (`sharing: session`). Calls that ended without the server's answer count."), none,
			partly("They reach the client when they can be meant for one call only; else the server gets an error, which names the setting that helps (`sharing: session`). Calls that ended without the server's answer count."), none}, []string{"internal/backend TestStrayQuestionsOfSharedServers", "internal/backend TestNothingReachesAnotherClient"}},
		{"Pages that the user must open (elicitation by URL)", [4]fate{yes, partly("For clients of 2025-11-25; older ones have no such thing."), yes, yes},
			[]string{"internal/backend TestPagesToOpenFirst", "internal/engine/legacy/testdata/wire/2025-11-25/pages.txtar"}},
		{"Word that such a page is done", [4]fate{partly("While the call is still running, and over stdio if the process has only had calls of one session."), yes, none, none}, []string{"client TestWordOfAPageIsTheCalls", "internal/engine/legacy/testdata/wire/2025-11-25/pages.txtar"}},
		{"A call that waits for an answer, over a restart of the gateway", [4]fate{no(lostCall), no(lostCall), no(lostCall), yes}, []string{"internal/engine/modern/testdata/wire/2026-07-28/parked.txtar", "internal/backend TestModernQuestionsTravelAsResults"}},
	}},
	{"Tasks", []row{
		{"Calls that become tasks: state, result, cancelling", everywhere(yes), []string{"internal/backend TestTasksOfBothKinds", "internal/backend TestTaskIsCancelledAtTheServer", "tasks-lifecycle", "tasks-wire-fields", "tasks-dispatch-and-envelope", "tasks-request-headers"}},
		{"Questions of a task", everywhere(yes), []string{"internal/backend TestTasksOfBothKinds", "tasks-mrtr-input", "tasks-mrtr-composition"}},
		{"A tool that must be a task, and a client that knows none", [4]fate{no("The server's refusal is passed on."), partly("The call waits for the task and returns its result."),
			no("The client is told which extension it lacks (-32021)."), no("The client is told which extension it lacks (-32021).")},
			[]string{"internal/backend TestTaskWithinTheCall", "internal/backend TestTaskThatTheClientCannotFollow", "tasks-required-task-error", "tasks-capability-negotiation"}},
		{"Which tools may be tasks, known beforehand", [4]fate{yes, partly("A modern server decides call by call: all its tools are listed as able to."), none, none}, []string{"internal/backend TestToolsOfModernServersMayBeTasks"}},
		{"Progress after the task was created", everywhere(no("Progress is passed on until the task is created.")), nil},
		{"Tasks over a restart of the gateway", everywhere(partly(oneLife)), []string{"internal/task TestRestartedHomeFailsWhatItRan", "internal/task TestTakenOverOnce", "tests/cluster TestTaskOutlivesItsNode"}},
		{"Tasks of the client (its sampling or elicitation as a task)", everywhere(no("No server is told that clients could do so.")), []string{"internal/backend TestCapabilitiesAreMirrored"}},
	}},
	{"Extensions, errors and the rest", []row{
		{"Skills", [4]fate{none, no(legacySkills), no(legacySkills), yes}, []string{"sep-2640-skills-enumeration", "sep-2640-skills-manifest", "sep-2640-skills-directory"}},
		{"MCP Apps (`ui`): `_meta.ui` of tools and `ui://` resources", [4]fate{yes, partly("They pass; but a legacy client has no way to declare that it shows them."), yes, yes}, []string{"internal/backend TestCapabilitiesAreMirrored", "internal/gateway TestRoutedCallIsOtherwiseUntouched"}},
		{"Other extensions", everywhere(no("An unknown extension may hold names that would have to be rewritten: it is not offered.")), []string{"internal/backend TestCapabilitiesAreMirrored", "internal/backend TestDiscoveryMirrorsTheServer"}},
		{"Unknown `_meta`, trace context included", everywhere(yes), []string{"internal/gateway TestRoutedCallIsOtherwiseUntouched"}},
		{"Errors, in the codes of the client's revision", everywhere(yes), []string{"sep-2164-resource-not-found", "mcp TestUpError", "mcp TestDownError"}},
		{"The client's credentials", everywhere(no("A server gets those that its configuration names, and never a client's.")), nil},
	}},
}
