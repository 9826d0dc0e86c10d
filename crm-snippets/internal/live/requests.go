package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/plan"
)

// Install gives the cluster a configuration, and shows first what that adds. If all of
// it is there, nothing is done. If some of it is there, or something else with its ids,
// it is an error, and the cluster stays as it is.
func (c *Cluster) Install(ctx context.Context, wanted plan.Configuration, dryRun bool, out io.Writer) error {
	return c.change(ctx, out, request{dryRun: dryRun, judge: func(before *CIB) (task, error) {
		found := compare(before, wanted)
		absent := found.with(missing)
		if len(found.with(different)) > 0 || len(absent) > 0 && len(absent) < len(found.parts) {
			return task{}, fmt.Errorf("nothing was changed, because some of it is there already:%s\n%s", found.report(), remedy(found))
		}
		add := plan.Configuration{}
		for _, s := range found.settings {
			add.Properties = append(add.Properties, plan.Parameter{Name: s.name, Value: s.value})
		}
		if len(absent) > 0 {
			add.Resources, add.Locations, add.Levels = wanted.Resources, wanted.Locations, wanted.Levels
		}
		return task{
			lines:  found.lines(),
			secret: hasSecret(add),
			edit:   func(ctx context.Context, e *editor) error { return e.install(ctx, add) },
			done: func(after *CIB) bool {
				found := compare(after, wanted)
				return len(found.settings) == 0 && len(found.with(asDescribed)) == len(found.parts)
			},
			belongs: func(e *Element) bool { return isPart(e, wanted) || isSetting(e, found.settings) },
		}, nil
	}})
}

// remedy says how to get out of a state that is neither nothing nor all.
func remedy(found comparison) string {
	others := found.with(different)
	if len(others) == 0 {
		return "crm-snippets remove, with the same description, takes away what is there; then install it anew"
	}
	var names []string
	for _, p := range others {
		names = append(names, p.name)
	}
	return "if the description has changed: crm-snippets remove with the old one first; else take away or rename by hand what is different (" +
		strings.Join(names, ", ") + "), or give the device another id"
}

// Remove takes a configuration from the cluster, and shows first what that takes away.
// Properties of the cluster stay, since other devices need them too. If something is
// there that is not as described, or that speaks of a resource that would go, it is an
// error, and the cluster stays as it is.
func (c *Cluster) Remove(ctx context.Context, wanted plan.Configuration, dryRun bool, out io.Writer) error {
	return c.change(ctx, out, request{dryRun: dryRun, judge: func(before *CIB) (task, error) {
		found := compare(before, wanted)
		if len(found.with(different)) > 0 {
			return task{}, fmt.Errorf("nothing was changed, because not all is as described:%s\ntake it away by hand, or describe it as it is", found.report())
		}
		there := found.with(asDescribed)
		if others := speaking(before, wanted); len(others) > 0 {
			return task{}, fmt.Errorf("nothing was changed, because others speak of these resources: %s\ntake that away first", strings.Join(others, ", "))
		}
		var lines []string
		for _, p := range there {
			lines = append(lines, "- "+p.line)
		}
		return task{
			lines:   lines,
			edit:    func(ctx context.Context, e *editor) error { return e.remove(ctx, there) },
			done:    func(after *CIB) bool { return len(compare(after, wanted).with(missing)) == len(found.parts) },
			belongs: func(e *Element) bool { return isPart(e, wanted) },
		}, nil
	}})
}

// Deviations says how what is there of a configuration differs from it, an item each.
func Deviations(c *CIB, wanted plan.Configuration) []string {
	var all []string
	found := compare(c, wanted)
	for _, s := range found.settings {
		if s.was == "" {
			all = append(all, fmt.Sprintf("property %s: missing, should be %s", s.name, s.value))
			continue
		}
		all = append(all, fmt.Sprintf("property %s: is %s, should be %s", s.name, s.was, s.value))
	}
	for _, p := range found.parts {
		switch p.state {
		case asDescribed:
		case missing:
			all = append(all, p.name+": missing")
		case different:
			all = append(all, p.name+": different: "+p.differs)
		}
	}
	return all
}

// isPart reports whether an element is one that the configuration describes.
func isPart(e *Element, wanted plan.Configuration) bool {
	id := e.Get("id")
	switch e.Name {
	case "primitive":
		return slices.ContainsFunc(wanted.Resources, func(r plan.Resource) bool { return r.ID == id })
	case "rsc_location":
		return slices.ContainsFunc(wanted.Locations, func(l plan.Location) bool { return l.ID == id })
	case "fencing-level":
		return slices.ContainsFunc(wanted.Levels, func(l plan.Level) bool {
			return strings.EqualFold(l.Node, e.Get("target")) && fmt.Sprint(l.Index) == e.Get("index")
		})
	}
	return false
}

// isSetting reports whether an element is a property that is set, or a set that is made
// for it.
func isSetting(e *Element, settings []setting) bool {
	if e.Name == "cluster_property_set" {
		return len(e.Children) == 0 || !slices.ContainsFunc(e.Children, func(pair *Element) bool { return !isSetting(pair, settings) })
	}
	return e.Name == "nvpair" && slices.ContainsFunc(settings, func(s setting) bool { return s.name == e.Get("name") })
}

func hasSecret(wanted plan.Configuration) bool {
	for _, r := range wanted.Resources {
		for _, p := range r.Parameters {
			if IsSecret(p.Name, p.Value) {
				return true
			}
		}
	}
	return false
}

// references are attributes that name resources.
var references = []string{"rsc", "with-rsc", "first", "then", "devices", "reference"}

// speaking returns what else in a CIB names a resource of the configuration.
func speaking(c *CIB, wanted plan.Configuration) []string {
	var all []string
	for _, e := range c.Configuration().All() {
		if isPart(e, wanted) || !names(e, wanted.Resources) {
			continue
		}
		id := e.Get("id")
		if e.Name == "resource_ref" || e.Name == "obj_ref" {
			e, id = e.Parent, e.Parent.Get("id")
		}
		all = append(all, e.Name+" "+id)
	}
	return all
}

// names reports whether an element names one of the resources.
func names(e *Element, resources []plan.Resource) bool {
	var words []string
	for _, name := range references {
		words = append(words, strings.Split(e.Get(name), ",")...)
	}
	if e.Name == "resource_ref" || e.Name == "obj_ref" {
		words = append(words, e.Get("id"))
	}
	return slices.ContainsFunc(resources, func(r plan.Resource) bool { return slices.Contains(words, r.ID) })
}
