// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// MaxFile bounds a configuration file, in bytes.
const MaxFile = 4 << 20

// Bounds on what is read.
const (
	maxSecret  = 64 << 10 // bytes of a file named by a file: value or envFile
	maxValue   = 128 << 10
	maxGrowth  = 16 << 20 // bytes that all variables and secret files may add
	maxNodes   = 100_000  // values in the file, with aliases expanded
	maxNesting = 64
	maxName    = 256 // bytes of a server's name
	maxNotices = 100
)

// Config is what a configuration file says, with defaults for what it leaves out.
// It is plain data: safe to read from many goroutines, copied by assignment with
// its slices and maps shared. Its String and LogValue show no secret.
type Config struct {
	// File is the name the configuration was read from; empty for [Default].
	File string
	// Listen is the TCP address to serve on, host:port.
	Listen string
	// Data is the data directory as written; empty leaves the choice to the caller.
	Data string
	// Servers are the entries of mcpServers in the order of the file.
	Servers []Server
	// Endpoints are the virtual endpoints in the order of the file.
	Endpoints []Endpoint
	// ServerEndpoints serves each server alone and whole at /servers/NAME/mcp.
	ServerEndpoints bool
	// Limits bound what clients may ask and hold.
	Limits Limits
	// Drain says how serving ends.
	Drain Drain
	// Cluster says how this node joins others.
	Cluster Cluster
	// KeyAge is how old the key that session ids are sealed with gets before another
	// takes over, a whole number of days; 0 is never.
	KeyAge time.Duration
	// AllowedHosts are Host header values accepted besides the loopback names:
	// "host" for any port, or "host:port"; lower case.
	AllowedHosts []string
	// AllowedOrigins are Origin header values accepted besides the loopback ones, and
	// at /sse, /messages and /ws besides their own: "scheme://host[:port]", lower case, without a scheme's default port.
	AllowedOrigins []string
	// Notices tell what was accepted but has no effect, one line each, in the
	// order of the file and with file and line. They hold no secrets.
	Notices []string
	// Faults are the mistakes in servers' entries, for which those servers are not
	// served, in the same form.
	Faults []string
}

// Drain says how serving ends after SIGTERM or Ctrl-C.
type Drain struct {
	// Notice is how long requests are still accepted while /readyz says that this
	// node is leaving, so that load balancers notice before it stops listening.
	// 0 does without; [NoticeDefault] leaves it to whether there are other nodes.
	Notice time.Duration
	// Calls is how long calls in flight may then take.
	Calls time.Duration
}

// NoticeDefault stands for 2 seconds where there are other nodes, and none alone.
const NoticeDefault time.Duration = -1

// Transport says how a server is reached.
type Transport string

// The transports. Auto is a URL whose entry does not say which of the two HTTP
// transports it speaks; who connects finds out.
const (
	Stdio     Transport = "stdio"
	HTTP      Transport = "http" // Streamable HTTP
	SSE       Transport = "sse"  // HTTP+SSE
	WebSocket Transport = "websocket"
	Auto      Transport = "auto"
)

// Server is one entry of mcpServers: a child process when Transport is Stdio,
// else a URL.
type Server struct {
	Name      string
	Line      int // where the entry begins in the file
	Transport Transport
	// Disabled entries are checked for form only: their variables and secret
	// files are not looked up, and values stand as written.
	Disabled bool
	// Fault says why the server cannot be used, such as a variable that is not set,
	// fit for clients and without secrets. It is empty when it can; else only Name,
	// Line and Disabled stand beside it.
	Fault string

	Command string
	Args    []string
	Env     map[string]Secret // set in addition to what Process.Environ passes on
	Cwd     string            // empty: Holdfast's own working directory

	URL     string
	Headers map[string]Secret // names as written, distinct without regard to case

	TLS ServerTLS // of a URL of scheme https or wss

	Protocol Protocol

	// Timeout is the longest time one call to this server may take; 0 leaves it
	// to Limits.CallTimeout.
	Timeout time.Duration

	Pool    Pool
	Process Process
	HTTP    HTTPLimits

	// Capabilities are the client capabilities that this server gets to see, of
	// those that the client declared: elicitation, sampling, roots. Nil means all.
	// An empty list shows it none.
	Capabilities []string

	Tools, Prompts, Resources Selection

	startGiven bool // startTimeout is in the file
}

// ServerTLS is how a server proves who it is, and Holdfast to it, where the system's
// rules do not do. The files are in PEM.
type ServerTLS struct {
	CA         string // path of a file whose certificates are trusted in place of the system's
	Cert, Key  string // paths of the files with Holdfast's own certificate; both or none
	ServerName string // that the server's certificate must be for; empty for the URL's host
	Insecure   bool   // take any certificate
}

// Protocol is what is spoken to a server. The zero value is what the server turns out
// to speak. A version has its era with it; a legacy one is proposed, and the server may
// answer another.
type Protocol struct {
	Era     mcp.Era
	Version mcp.Version
}

// Sharing says whose calls may meet in one instance of a server: in one child
// process, or in one session of an HTTP server.
type Sharing string

// The sharing policies.
const (
	Shared       Sharing = "shared"    // everybody's: one instance in the whole cluster
	PerNode      Sharing = "node"      // everybody's at one node: each has an instance of its own
	PerTenant    Sharing = "tenant"    // those of one tenant's principals
	PerPrincipal Sharing = "principal" // one principal's
	PerSession   Sharing = "session"   // one legacy session's; of modern clients, who have no session, one call's
	PerCall      Sharing = "call"      // none: each call has its own
)

// Pool bounds the instances of one server and the calls to it.
type Pool struct {
	Sharing  Sharing
	Min      int           // instances kept running
	Max      int           // instances at most; calls wait for one until their deadline
	Spare    int           // child processes started ahead of need
	Idle     time.Duration // an instance without calls this long is stopped, down to Min
	MaxCalls int           // calls in flight at once; more wait until their deadline
	Start    time.Duration // longest time to start and greet an instance, as written; see [Server.StartTimeout]
}

// Process bounds what a child process gets and takes.
type Process struct {
	Inherit []string // names of environment variables passed on, * at the end for a prefix; nil means the default list
	Memory  int64    // bytes, its descendants included; 0 means no ceiling
	CPU     float64  // cores; 0 means no ceiling
	PIDs    int      // processes and threads together, its descendants' included
	User    string   // who it runs as, user or user:group, by name or number; empty means as Holdfast
	// AllowPrivilegeEscalation lets it gain privileges by setuid programs.
	AllowPrivilegeEscalation bool
}

// HTTPLimits bound the exchange with an HTTP server.
type HTTPLimits struct {
	MaxConns      int           // connections at once
	HeaderTimeout time.Duration // longest wait for response headers; 0 means the call's deadline
	IdleTimeout   time.Duration // longest silence on a stream; 0 means the call's deadline
}

// Selection filters and renames what a server offers. Patterns are globs over
// the server's own names (URIs for resources): * is any text, ? one character.
type Selection struct {
	Include, Exclude []string // nil Include means all; Exclude wins
	Rename           map[string]string
	Describe         map[string]string // descriptions in place of the server's, by own name
	Keywords         map[string]string // words by which find_tool finds a tool too, by own name; tools only
	Unlisted         bool              // of resources: the server is asked for URIs that nobody lists or claims
}

// Endpoint is a chosen set of the servers' entries, served at /v/NAME/mcp. The
// one named "default" says what /mcp serves.
type Endpoint struct {
	Name string
	// Servers are the names of the servers it draws on; nil means all.
	Servers []string
	// Include and Exclude are globs over public names (server__tool); nil Include means all.
	Include, Exclude []string
	// Search lists find_tool, call_tool and call_read_only_tool in place of the tools
	// themselves.
	Search bool
	// Pin are globs over public names of the tools that are listed all the same; they
	// need Search.
	Pin []string
}

// Default returns the configuration of an empty mcpServers.
func Default() Config {
	return Config{
		Listen:          "127.0.0.1:8080",
		ServerEndpoints: true,
		Limits:          defaultLimits(),
		Drain:           Drain{Notice: NoticeDefault, Calls: 30 * time.Second},
		Cluster:         defaultCluster(),
		KeyAge:          90 * day,
	}
}

// Option changes how a file is read.
type Option func(*parser)

// Strict has a mistake anywhere refuse the file, a server's entry or a client's own
// settings included.
func Strict(p *parser) { p.strict = true }

// Load reads and checks the file at path. Variables are looked up with
// lookupEnv, [os.LookupEnv] in production. What is wrong with one server's entry
// is in the Fault of that server; any other mistake refuses the file, and then
// every mistake found is in the error, an [*Errors].
func Load(path string, lookupEnv func(string) (string, bool), opts ...Option) (*Config, error) {
	data, err := readBounded(path, MaxFile, false)
	if err != nil {
		return nil, &Errors{List: []*Error{{File: path, Message: fileProblem(err), cause: err}}}
	}
	return Parse(path, data, lookupEnv, opts...)
}

// Read is Load for a file that comes from r, such as standard input, under a name
// for its errors.
func Read(name string, r io.Reader, lookupEnv func(string) (string, bool), opts ...Option) (*Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, &Errors{List: []*Error{{File: name, Message: fileProblem(err), cause: err}}}
	}
	return Parse(name, data, lookupEnv, opts...)
}

// Parse is Load for data as the content of a configuration file called name, whose
// ending (.json, .jsonc, .yaml, .yml, .toml) tells the syntax; without one the content
// does. It reads only the files that data refers to.
func Parse(name string, data []byte, lookupEnv func(string) (string, bool), opts ...Option) (*Config, error) {
	p := &parser{file: name, lookup: lookupEnv, readFile: readSecretFile, cfg: Default()}
	for _, o := range opts {
		o(p)
	}
	return p.parse(data)
}

func readSecretFile(path string) ([]byte, error) { return readBounded(path, maxSecret, true) }

var (
	errTooLarge   = errors.New("too large")
	errDirectory  = errors.New("is a directory, not a file")
	errNotRegular = errors.New("not a regular file")
)

// readBounded reads at most limit bytes. With regular set it refuses devices and
// pipes, where a read could block or never end.
func readBounded(path string, limit int64, regular bool) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errDirectory
	case regular && !info.Mode().IsRegular():
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: over %s", errTooLarge, formatSize(limit))
	}
	return data, nil
}

// fileProblem says in a few words why a file could not be read, without its name.
func fileProblem(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, fs.ErrPermission):
		return "no permission to read it"
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}
