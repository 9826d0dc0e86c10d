package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/metadata"
	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// Facts are what an element says, by name, without the ids that each tool makes up in
// its own way. Elements with equal facts mean the same to the cluster.
type facts map[string]string

// add adds a fact; one that is there already gets a number.
func (f facts) add(name, value string) {
	key := name
	for i := 2; ; i++ {
		if _, taken := f[key]; !taken {
			break
		}
		key = fmt.Sprintf("%s (%d)", name, i)
	}
	f[key] = value
}

// resourceFacts are those of a primitive that is wanted.
func resourceFacts(r plan.Resource) facts {
	f := facts{"class": "stonith", "type": r.Type}
	for _, p := range r.Parameters {
		f.add(p.Name, p.Value)
	}
	for _, op := range r.Operations {
		f.add("op "+op.Name+" interval", op.Interval)
		f.add("op "+op.Name+" timeout", op.Timeout)
	}
	return f
}

// primitiveFacts are those of a primitive that is there.
func primitiveFacts(e *Element) facts {
	f := facts{}
	f.attributes("", e, "id")
	if e.Parent.Name != "resources" {
		f.add("within", e.Parent.Name+" "+e.Parent.Get("id"))
	}
	for _, child := range e.Children {
		switch child.Name {
		case "instance_attributes":
			f.pairs("", child)
		case "meta_attributes":
			f.pairs("meta ", child)
		case "operations":
			f.attributes("operations ", child, "id")
			for _, op := range child.Children {
				f.operation(op)
			}
		default:
			f.add("element", child.Line())
		}
	}
	return f
}

// attributes adds an element's attributes but some.
func (f facts) attributes(prefix string, e *Element, but ...string) {
	for _, a := range e.Attributes {
		if !slices.Contains(but, a.Name) {
			f.add(prefix+a.Name, a.Value)
		}
	}
}

// pairs adds the pairs of a set.
func (f facts) pairs(prefix string, set *Element) {
	f.attributes(prefix+"set ", set, "id")
	for _, pair := range set.Children {
		if pair.Name != "nvpair" || pair.Get("name") == "" {
			f.add(prefix+"element", pair.Line())
			continue
		}
		f.add(prefix+pair.Get("name"), pair.Get("value"))
	}
}

func (f facts) operation(op *Element) {
	prefix := "op " + op.Get("name") + " "
	f.attributes(prefix, op, "id", "name")
	for _, child := range op.Children {
		f.add(prefix+"element", child.Line())
	}
}

// ruleFacts are those of a location that is there.
func ruleFacts(e *Element) facts {
	f := facts{}
	f.attributes("", e, "id")
	for _, child := range e.Children {
		f.add("element", child.Line())
	}
	return f
}

// differences says in words how what is there differs from what is wanted, in order.
func differences(there, wanted facts) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		value, has := there[name]
		switch {
		case !has:
			all = append(all, fmt.Sprintf("%s is missing", name))
		case value != wanted[name]:
			all = append(all, fmt.Sprintf("%s is %q, not %q", name, shown(name, value), shown(name, wanted[name])))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if _, wants := wanted[name]; wants {
			continue
		}
		if isPublic(name) {
			name += fmt.Sprintf(" is %q, and", there[name])
		}
		all = append(all, name+" should not be there")
	}
	return all
}

// isPublic reports whether a fact that nobody wants may be printed. The parameters may
// have secrets, by names that only their agent knows.
func isPublic(name string) bool {
	ofCluster := strings.HasPrefix(name, "op ") || strings.HasPrefix(name, "meta ") || name == "within"
	return ofCluster && !strings.Contains(name, "element")
}

// shown returns a parameter's value as it may be printed.
func shown(name, value string) string {
	if IsSecret(name, value) {
		return "***"
	}
	return value
}

// IsSecret reports whether a parameter's value is a secret by itself, and not a mark in
// place of one that is kept elsewhere.
func IsSecret(name, value string) bool {
	own := name
	for _, plugin := range []metadata.Plugin{metadata.Xen, metadata.Xenapi, metadata.IPMI} {
		if p, known := plugin.Own(name); known {
			own = p.Name
		}
	}
	return metadata.Secret(own) && !strings.HasPrefix(value, "lrm://")
}
