// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

// toolkit says by which names a server offers the features, and what its answers say.
type toolkit struct {
	echo     use
	progress use // at least three notifications
	slow     use // until it is cancelled
	elicit   []use
	declined string // in the answer of elicit
	sample   use
	roots    use
	log      use
	hush     use    // takes log back; none when empty
	level    string // to ask for
	touch    use    // makes the server announce a change of resource
	calm     use    // takes touch back; none when empty
	resource string
	content  string
	prompt   use
	complete completion
	grows    growth
}

// growth is a use that adds an entry to a list, with the entry's name to be.
type growth struct {
	use  func(name string) use
	list string // the step that lists
	kind string // of the event that announces it
	as   string // what stands before the name in the list
}

// use is a call and a text that its answer has.
type use struct {
	name string
	args step
	says string
}

// completion is what to complete and one of the answers.
type completion struct {
	ref, argument step
	says          string
}

const homeRoot = "file:///home/test"

// referenceKit is @modelcontextprotocol/server-everything.
var referenceKit = toolkit{
	echo:     use{"echo", step{"message": "salt"}, "Echo: salt"},
	progress: use{"trigger-long-running-operation", step{"duration": 0.2, "steps": 4}, "Long running operation completed"},
	slow:     use{"trigger-long-running-operation", step{"duration": 30, "steps": 3}, ""},
	elicit:   []use{{"trigger-elicitation-request", step{}, "Name: Ada"}},
	declined: "declined",
	sample:   use{"trigger-sampling-request", step{"prompt": "The capital of France?", "maxTokens": 20}, "Paris"},
	roots:    use{"get-roots-list", step{}, homeRoot},
	log:      use{"toggle-simulated-logging", step{}, "Started"},
	hush:     use{"toggle-simulated-logging", step{}, "Stopped"},
	level:    "debug", // what it logs is of a random level
	touch:    use{"toggle-subscriber-updates", step{}, "Started"},
	calm:     use{"toggle-subscriber-updates", step{}, "Stopped"},
	resource: "demo://resource/dynamic/text/1",
	content:  "This is a plaintext resource",
	prompt:   use{"args-prompt", step{"city": "Oslo"}, "What's weather in Oslo?"},
	complete: completion{
		step{"type": "ref/prompt", "name": "completable-prompt"}, step{"name": "department", "value": "Eng"}, "Engineering",
	},
	grows: growth{
		func(name string) use {
			args := step{"name": name, "data": "data:text/plain,kelp", "outputType": "resourceLink"}
			return use{"gzip-file-as-resource", args, ""}
		}, "resources", "resources_changed", "demo://resource/session/",
	},
}

// sdkKit is the server in gosdk/kit.
var sdkKit = toolkit{
	echo:     use{"echo", step{"message": "salt"}, "Echo: salt"},
	progress: use{"count", step{"steps": 4}, "counted to 4"},
	slow:     use{"slow", step{}, ""},
	elicit:   []use{{"elicit", step{}, "accept: Ada"}, {"returns", step{}, "accept: Ada"}},
	declined: "decline",
	sample:   use{"sample", step{}, "the model says Paris"},
	roots:    use{"roots", step{}, homeRoot},
	log:      use{"log", step{"message": "tide"}, "logged"},
	level:    "warning",
	touch:    use{"touch", step{"uri": "kit://note"}, "touched"},
	resource: "kit://note",
	content:  "this is kit://note",
	prompt:   use{"greet", step{"city": "Oslo"}, "Greetings from Oslo"},
	complete: completion{
		step{"type": "ref/prompt", "name": "greet"}, step{"name": "city", "value": "Pa"}, "Parma",
	},
	grows: growth{
		func(name string) use { return use{"grow", step{"key": name}, "grew"} }, "tools", "tools_changed", "",
	},
}
