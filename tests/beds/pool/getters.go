package pool

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
)

// A row is an object of a database, as getters see it.
type row struct {
	ref    string
	fields record
}

// A class is a kind of object. Its getters all come from its records.
type class struct {
	name string
	rows func(*call) []row
	// What get_all and get_by_name_label are not known for.
	noLabel bool
}

var classes map[string]class

func init() {
	classes = map[string]class{
		"VM":           {name: "VM", rows: vmRows},
		"host":         {name: "host", rows: hostRows},
		"host_metrics": {name: "host_metrics", rows: metricsRows, noLabel: true},
		"pool":         {name: "pool", rows: poolRows, noLabel: true},
		"task":         {name: "task", rows: taskRows},
	}
}

// getter makes the method for a name such as VM.get_power_state.
func getter(name string) (method, bool) {
	className, call, _ := strings.Cut(name, ".")
	cl, ok := classes[className]
	field, isGetter := strings.CutPrefix(call, "get_")
	if !ok || !isGetter {
		return method{}, false
	}
	switch {
	case field == "all":
		return method{do: cl.all}, true
	case field == "all_records":
		return method{do: cl.allRecords}, true
	case field == "all_records_where":
		return method{params: 1, do: cl.allRecordsWhere}, true
	case field == "record":
		return method{params: 1, do: cl.record(className)}, true
	case field == "by_uuid":
		return method{params: 1, do: cl.byUUID(className)}, true
	case field == "by_name_label" && !cl.noLabel:
		return method{params: 1, do: cl.byNameLabel}, true
	}
	if _, ok := fieldsOf(className).get(field); !ok {
		return method{}, false
	}
	return method{params: 1, do: cl.field(className, field)}, true
}

func getterNames() []string {
	var names []string
	for className, cl := range classes {
		calls := []string{"all", "all_records", "all_records_where", "record", "by_uuid"}
		if !cl.noLabel {
			calls = append(calls, "by_name_label")
		}
		for _, f := range fieldsOf(className) {
			calls = append(calls, f.name)
		}
		for _, one := range calls {
			names = append(names, className+".get_"+one)
		}
	}
	sort.Strings(names)
	return names
}

// fieldsOf are the fields of a class, with the values of nothing.
func fieldsOf(className string) record {
	m := &Member{pool: &Pool{}, db: newDatabase()}
	h := &host{member: m}
	switch className {
	case "VM":
		return (&vm{}).record()
	case "host":
		return h.record()
	case "host_metrics":
		return h.metricsRecord()
	case "pool":
		return (&database{master: m}).record()
	case "task":
		return (&task{}).record()
	}
	return nil
}

func (cl class) all(c *call) (any, error) {
	refs := list{}
	for _, r := range cl.rows(c) {
		refs = append(refs, r.ref)
	}
	return refs, nil
}

func (cl class) allRecords(c *call) (any, error) {
	all := record{}
	for _, r := range cl.rows(c) {
		all = append(all, field{r.ref, r.fields})
	}
	return all, nil
}

// condition is one of those that are understood here, of all that xapi's queries have.
var condition = regexp.MustCompile(`^\s*field\s*"(\w+)"\s*=\s*"([^"]*)"\s*$`)

// allRecordsWhere takes conditions with and between them.
func (cl class) allRecordsWhere(c *call) (any, error) {
	query, err := c.text(0)
	if err != nil {
		return nil, err
	}
	rows := cl.rows(c)
	for _, text := range strings.Split(query, " and ") {
		parts := condition.FindStringSubmatch(text)
		if parts == nil {
			return nil, apiError{"INVALID_VALUE", query, "Failed to parse the query"}
		}
		if _, known := fieldsOf(cl.name).get(parts[1]); !known {
			return nil, apiError{"INTERNAL_ERROR", "missing field", parts[1], ""}
		}
		rows = slices.DeleteFunc(rows, func(r row) bool {
			value, _ := r.fields.get(parts[1])
			return fmt.Sprint(value) != parts[2]
		})
	}
	all := record{}
	for _, r := range rows {
		all = append(all, field{r.ref, r.fields})
	}
	return all, nil
}

// find is the object that the first parameter refers to.
func (cl class) find(c *call, className string) (record, error) {
	ref, err := c.text(0)
	if err != nil {
		return nil, err
	}
	for _, r := range cl.rows(c) {
		if r.ref == ref {
			return r.fields, nil
		}
	}
	return nil, handleInvalid(className, ref)
}

func (cl class) record(className string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		fields, err := cl.find(c, className)
		if err != nil {
			return nil, err
		}
		return fields, nil
	}
}

func (cl class) field(className, name string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		fields, err := cl.find(c, className)
		if err != nil {
			return nil, err
		}
		value, _ := fields.get(name)
		return value, nil
	}
}

func (cl class) byUUID(className string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		uuid, err := c.text(0)
		if err != nil {
			return nil, err
		}
		for _, r := range cl.rows(c) {
			if value, _ := r.fields.get("uuid"); value == uuid {
				return r.ref, nil
			}
		}
		return nil, uuidInvalid(className, uuid)
	}
}

func (cl class) byNameLabel(c *call) (any, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	refs := list{}
	for _, r := range cl.rows(c) {
		if value, _ := r.fields.get("name_label"); value == name {
			refs = append(refs, r.ref)
		}
	}
	return refs, nil
}

func vmRows(c *call) (all []row) {
	for _, v := range c.member.db.vms {
		all = append(all, row{v.ref, v.record()})
	}
	return all
}

func hostRows(c *call) (all []row) {
	for _, h := range c.member.db.hosts {
		all = append(all, row{h.member.ref, h.record()})
	}
	return all
}

func metricsRows(c *call) (all []row) {
	for _, h := range c.member.db.hosts {
		all = append(all, row{h.member.metrics, h.metricsRecord()})
	}
	return all
}

func poolRows(c *call) []row {
	return []row{{c.member.db.ref, c.member.db.record()}}
}

// servertime is that of a host, which is asked for it.
func servertime(c *call) (any, error) {
	ref, err := c.text(0)
	if err != nil {
		return nil, err
	}
	for _, h := range c.member.db.hosts {
		if h.member.ref == ref {
			return time.Now().Add(h.member.fast), c.reach(h.member)
		}
	}
	return nil, apiError{"HOST_OFFLINE", ref} // as any call that is forwarded: the host is looked up by its liveness
}
