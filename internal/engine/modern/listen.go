// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// filter is what a client wants to hear, and in the acknowledgement what it will.
type filter struct {
	Tools     bool     `json:"toolsListChanged,omitzero"`
	Prompts   bool     `json:"promptsListChanged,omitzero"`
	Resources bool     `json:"resourcesListChanged,omitzero"`
	URIs      []string `json:"resourceSubscriptions,omitzero"`
	TaskIDs   []string `json:"taskIds,omitzero"`
}

// listen is one open subscriptions/listen. Its goroutine runs it; it ends when
// its client leaves, cancels, or the Protocol drains.
type listen struct {
	p       *Protocol
	req     *request
	honours filter
	owner   task.Owner
	meta    Raw // _meta of everything that belongs to the listen
	sub     *subscription.Subscriber
	seen    map[string]uint64 // revisions of the tasks looked up and sent, by id
	cost    int64             // of its subscriptions
}

// openListen reads the filter of req and keeps of it what the server can honour.
// On success the caller runs the listen, which leaves the gate.
//
// spec 2026-07-28 basic/subscriptions: unsupported types are left out of the
// acknowledgement.
func (p *Protocol) openListen(ctx context.Context, req *request) (*listen, *jsonrpc.Error) {
	var wanted filter
	raw, ok := jsonrpc.Get(req.in.Params, "notifications")
	if !ok || raw.Kind() != '{' || json.Unmarshal(raw, &wanted) != nil {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.notifications must be a subscription filter")
	}
	if wire := p.checkFilter(&wanted); wire != nil {
		return nil, wire
	}
	offered, wire := p.capabilities(ctx, req)
	if wire != nil {
		return nil, wire
	}
	l := &listen{p: p, req: req, owner: p.taskOwner(req.principal)}
	l.meta = jsonrpc.Set(nil, mcp.MetaSubscriptionID, req.in.ID.Raw())
	l.honours = filter{
		Tools:   wanted.Tools && offered.Tools != nil && offered.Tools.ListChanged,
		Prompts: wanted.Prompts && offered.Prompts != nil && offered.Prompts.ListChanged,
	}
	if r := offered.Resources; r != nil {
		l.honours.Resources = wanted.Resources && r.ListChanged
		if r.Subscribe {
			l.honours.URIs = wanted.URIs
		}
	}
	if p.cfg.Tasks != nil && req.peer.Capabilities.Has(mcp.ExtensionTasks) {
		l.honours.TaskIDs = p.knownTasks(ctx, l.owner, wanted.TaskIDs)
	}
	if wire := l.enter(); wire != nil {
		return nil, wire
	}
	return l, nil
}

// checkFilter checks that a filter is not too large.
func (p *Protocol) checkFilter(wanted *filter) *jsonrpc.Error {
	max := p.cfg.Limits.Subscriptions
	if len(wanted.TaskIDs) > max {
		return jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "more than %d subscriptions to tasks in one listen", max)
	}
	var all engine.Subscribed
	for _, uri := range wanted.URIs {
		if wire := all.Add(uri, max); wire != nil {
			return jsonrpc.NewError(jsonrpc.CodeInvalidParams, wire.Message)
		}
	}
	return nil
}

// errListens refuses a listen that finds no place.
var errListens = jsonrpc.NewError(jsonrpc.CodeInternal, "too many listens or subscriptions are open, of this client or in all; try again in a while")

// enter takes a place for the listen, which leave gives back.
func (l *listen) enter() *jsonrpc.Error {
	for _, uri := range slices.Concat(l.honours.URIs, l.honours.TaskIDs) {
		l.cost += engine.SubscriptionCost(uri)
	}
	shares := l.p.cfg.Shares
	if shares.Listens.Take(l.req.client, 1) != nil {
		return errListens
	}
	if shares.Subscribed.Take(l.req.client, l.cost) != nil {
		shares.Listens.Give(l.req.client, 1)
		return errListens
	}
	if l.p.draining.Err() != nil || !l.p.listens.Enter() {
		l.giveBack()
		return errBusy
	}
	return nil
}

func (l *listen) giveBack() {
	l.p.cfg.Shares.Subscribed.Give(l.req.client, l.cost)
	l.p.cfg.Shares.Listens.Give(l.req.client, 1)
}

func (l *listen) leave() {
	l.giveBack()
	l.p.listens.Leave()
}

// knownTasks keeps the ids of the owner's own tasks.
func (p *Protocol) knownTasks(ctx context.Context, owner task.Owner, ids []string) []string {
	var known []string
	for _, id := range ids {
		if _, err := p.cfg.Tasks.Get(ctx, owner, id); err == nil {
			known = append(known, id)
		}
	}
	return known
}

func (f *filter) topics() []subscription.Topic {
	var topics []subscription.Topic
	for kind, on := range map[subscription.Kind]bool{
		subscription.Tools: f.Tools, subscription.Prompts: f.Prompts, subscription.Resources: f.Resources,
	} {
		if on {
			topics = append(topics, subscription.Topic{Kind: kind})
		}
	}
	for _, uri := range f.URIs {
		topics = append(topics, subscription.Topic{Kind: subscription.Resource, Key: uri})
	}
	for _, id := range f.TaskIDs {
		topics = append(topics, subscription.Topic{Kind: subscription.Task, Key: id})
	}
	return topics
}

// run serves the listen until done is closed, or send fails, or the Protocol
// drains: then, and only then, the client gets a result.
func (l *listen) run(send func([]byte) error, done <-chan struct{}) {
	defer l.leave()
	who := subscription.Audience{Principal: l.req.principal.ID, Tenant: l.req.principal.Tenant}
	l.sub = l.p.cfg.Hub.SubscribeAs(who, l.honours.topics()...)
	defer l.sub.Close()
	if l.begin(send) != nil {
		return
	}
	for {
		select {
		case <-done:
			return
		case <-l.p.draining.Done():
			_ = send(l.result()) // a client that has gone needs no result
			return
		case <-l.sub.Wake():
		}
		for {
			e, ok := l.sub.Take()
			if !ok {
				break
			}
			if e.Topic.Kind == subscription.Task && e.Params == nil {
				if l.sendTask(send, e.Topic.Key) != nil {
					return
				}
			} else if send(l.notification(e)) != nil {
				return
			}
		}
	}
}

// begin acknowledges, and tells what the tasks listened to have come to, as
// they may have changed before the subscription.
//
// spec 2026-07-28 basic/subscriptions: the acknowledgement is the first message.
func (l *listen) begin(send func([]byte) error) error {
	params := jsonrpc.Set(jsonrpc.Set(nil, "_meta", l.meta), "notifications", mustMarshal(l.honours))
	if err := send(jsonrpc.AppendNotification(nil, mcp.NotificationAcknowledged, params)); err != nil {
		return err
	}
	for _, id := range l.honours.TaskIDs {
		if err := l.sendTask(send, id); err != nil {
			return err
		}
	}
	return nil
}

// sendTask sends a task as it is now, unless it has been sent so.
func (l *listen) sendTask(send func([]byte) error, id string) error {
	t, err := l.p.cfg.Tasks.Get(l.p.ctx, l.owner, id)
	if err != nil || t.Revision <= l.seen[id] {
		return nil //nolint:nilerr // it has expired since
	}
	if l.seen == nil {
		l.seen = map[string]uint64{}
	}
	l.seen[id] = t.Revision
	e := subscription.Event{Topic: subscription.Topic{Kind: subscription.Task, Key: id}, Params: mustMarshal(l.p.wireTask(t, true))}
	return send(l.notification(e))
}

var topicMethods = map[subscription.Kind]string{
	subscription.Tools:     mcp.NotificationToolsChanged,
	subscription.Prompts:   mcp.NotificationPromptsChanged,
	subscription.Resources: mcp.NotificationResourcesChanged,
	subscription.Resource:  mcp.NotificationResourceUpdated,
	subscription.Task:      mcp.NotificationTask,
}

// notification returns the message of an event, marked with the subscription.
func (l *listen) notification(e subscription.Event) []byte {
	params := e.Params
	if params == nil && e.Topic.Kind == subscription.Resource {
		params = jsonrpc.Set(nil, "uri", jsonrpc.AppendString(nil, e.Topic.Key))
	}
	meta, _ := jsonrpc.Get(params, "_meta")
	params = jsonrpc.Set(params, "_meta", jsonrpc.Set(meta, mcp.MetaSubscriptionID, l.req.in.ID.Raw()))
	return oneLine(jsonrpc.AppendNotification(nil, topicMethods[e.Topic.Kind], params))
}

// result ends the listen in good order.
func (l *listen) result() []byte {
	body := jsonrpc.Set(nil, "_meta", l.meta)
	return jsonrpc.AppendResult(nil, l.req.in.ID, appendResult(nil, mcp.ResultComplete, nil, body, l.p.serverMeta))
}

// postListen opens a listen over HTTP. The stream stays open after it returns.
func (p *Protocol) postListen(x transport.Exchange, req *request) {
	if !x.AcceptsStream() {
		engine.ReplyError(x, 406, req.in.ID, errNoStream)
		return
	}
	l, wire := p.openListen(x.Context(), req)
	if wire != nil {
		refuse(x, req.in.ID, wire)
		return
	}
	stream := openStream(x)
	go func() {
		defer stream.Close()
		l.run(func(msg []byte) error { return stream.Send(transport.Event{Data: msg}) }, stream.Done())
	}()
}

var errNoStream = jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "subscriptions/listen is answered with an event stream, which the Accept header does not allow")
