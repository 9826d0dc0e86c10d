package stonith

import (
	"fmt"
	"regexp"

	"github.com/alecthomas/kong"
)

// A verb is the first argument of a call.
type verb string

const (
	verbGetHosts        verb = "gethosts"
	verbOn              verb = "on"
	verbOff             verb = "off"
	verbReset           verb = "reset"
	verbStatus          verb = "status"
	verbCheck           verb = "check"
	verbGetConfigNames  verb = "getconfignames"
	verbGetInfoDevID    verb = "getinfo-devid"
	verbGetInfoDevName  verb = "getinfo-devname"
	verbGetInfoDevDescr verb = "getinfo-devdescr"
	verbGetInfoDevURL   verb = "getinfo-devurl"
	verbGetInfoXML      verb = "getinfo-xml"
)

// acts reports whether the verb needs the device.
func (v verb) acts() bool { return v == verbOn || v == verbOff || v == verbReset || v == verbStatus }

// A request is what the arguments ask for.
type request struct {
	verb     verb
	node     string   // of on, off and reset
	rehearse string   // the node of a rehearsal that check is asked for
	words    []string // name=value
}

// what names the request in reports.
func (r request) what() string {
	if r.node == "" {
		return string(r.verb)
	}
	return string(r.verb) + " " + quoteOdd(r.node)
}

type paramWords struct {
	Params []string `arg:"" optional:"" name:"name=value" help:"A parameter. Those that are not given come from the environment."`
}

type checkWords struct {
	Rehearse string `placeholder:"NODE" help:"Go the whole way of off for this node, but for the last step."`
	paramWords
}

type nodeWords struct {
	Node string `arg:"" help:"A node of hostlist."`
	paramWords
}

// commandLine is the grammar of the arguments.
type commandLine struct {
	Version kong.VersionFlag `help:"Print the version."`

	Off      nodeWords  `cmd:"" help:"Switch a node off. Status 0: it was seen off."`
	Reset    nodeWords  `cmd:"" help:"Switch a node off, then on. Status 0: it was seen off."`
	On       nodeWords  `cmd:"" help:"Switch a node on. Status 0: it was seen on."`
	Status   paramWords `cmd:"" help:"Ask the device whether it would obey for every node; touches none."`
	Check    checkWords `cmd:"" help:"Look for mistakes in the configuration, then at the device and every node, and print a table."`
	Gethosts paramWords `cmd:"" help:"Print the nodes of hostlist, one a line."`

	Getconfignames  struct{} `cmd:"" help:"Print the names of the parameters."`
	GetinfoDevid    struct{} `cmd:"" name:"getinfo-devid" help:"Print what the device is."`
	GetinfoDevname  struct{} `cmd:"" name:"getinfo-devname" help:"Print the device's name."`
	GetinfoDevdescr struct{} `cmd:"" name:"getinfo-devdescr" help:"Print a description."`
	GetinfoDevurl   struct{} `cmd:"" name:"getinfo-devurl" help:"Print where to read more."`
	GetinfoXML      struct{} `cmd:"" name:"getinfo-xml" help:"Print the parameters as XML."`
}

// wordValue is the value of a name=value word, which is nobody's business.
var wordValue = regexp.MustCompile(`=[^ "]+`)

// parse reads the arguments. It returns no request if they asked for help or the
// version, which it then has printed; code is the exit status of that.
func parse(p Plugin, proc Process) (r *request, code int, err error) {
	var line commandLine
	answered := false
	parser, err := kong.New(&line,
		kong.Name(p.Name), kong.Description(p.helpText()),
		kong.Vars{"version": p.Name + " " + proc.Version},
		kong.Writers(proc.Stdout, proc.Stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(status int) { answered, code = true, status }))
	if err != nil {
		return nil, 1, fmt.Errorf("command line grammar: %w", err)
	}
	ctx, err := parser.Parse(proc.Args)
	if answered {
		return nil, code, nil
	}
	if err != nil {
		return nil, 1, Errorf(BadConfig, "%s", wordValue.ReplaceAllString(err.Error(), "=...")).WithHint("%s --help shows the verbs", p.Name)
	}
	return line.request(verb(ctx.Selected().Name)), 0, nil
}

// request picks out what belongs to the selected verb.
func (l *commandLine) request(v verb) *request {
	r := &request{verb: v}
	switch v {
	case verbOff, verbReset, verbOn:
		w := map[verb]nodeWords{verbOff: l.Off, verbReset: l.Reset, verbOn: l.On}[v]
		r.node, r.words = w.Node, w.Params
	case verbStatus:
		r.words = l.Status.Params
	case verbCheck:
		r.words, r.rehearse = l.Check.Params, l.Check.Rehearse
	case verbGetHosts:
		r.words = l.Gethosts.Params
	case verbGetConfigNames, verbGetInfoDevID, verbGetInfoDevName, verbGetInfoDevDescr, verbGetInfoDevURL, verbGetInfoXML:
	}
	return r
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.:@/=+-]+$`)

// quoteOdd quotes what could be mistaken for something else in a line of a log.
func quoteOdd(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return fmt.Sprintf("%q", word)
}
