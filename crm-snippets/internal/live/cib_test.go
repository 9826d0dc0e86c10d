package live

import (
	"fmt"
	"strings"
	"testing"
)

// What is no CIB is refused, with its place in the file.
func TestBrokenCIB(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "x.xml:1:1: no XML in it"},
		{"not closed", "<cib>\n<configuration>\n", "x.xml:3:1: broken XML: the text ends in the middle"},
		{"wrongly closed", "<cib>\n  <configuration></resources>\n</cib>", "x.xml:2:30: broken XML: element <configuration> closed by </resources>"},
		{"two", "<cib><configuration/></cib>\n<cib/>", "x.xml: this is no CIB"},
		{"another document", "<cluster/>", "x.xml: this is no CIB"},
		{"status alone", "<cib><status/></cib>", "x.xml: this is no CIB"},
	} {
		if _, err := ReadCIB("x.xml", []byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	_, err := ReadCIB("x.xml", []byte(`<cib><nvpair name="passwd" value="a&s3cret;"/></cib>`))
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a password that is no XML: %v", err)
	}
}

// The configuration is given on as it was read, with its comments.
func TestConfigurationText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"<?xml version=\"1.0\"?>\n<cib><status><configuration/></status>\n<configuration ><!-- x --> <a/></configuration>\n</cib>": "<configuration ><!-- x --> <a/></configuration>",
		"<cib><configuration/></cib>": "<configuration/>",
	} {
		c, err := ReadCIB("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(c.configurationText()); got != want {
			t.Errorf("configuration of %s is %s, want %s", text, got, want)
		}
	}
}

// Of several pairs of a property, the one that counts is that which Pacemaker takes.
func TestProperty(t *testing.T) {
	t.Parallel()
	set := func(id, more, inside string) string {
		return fmt.Sprintf(`<cluster_property_set id="%s"%s>%s</cluster_property_set>`, id, more, inside)
	}
	const no, yes = `<nvpair id="1" name="p" value="no"/>`, `<nvpair id="2" name="p" value="yes"/>`
	for _, c := range []struct{ name, sets, want string }{
		{"the first of a set", set("a", "", yes+no), "yes"},
		{"the higher score", set("a", ` score="5"`, yes) + set("b", ` score="-INFINITY"`, no), "yes"},
		{"the higher score behind", set("a", ` score="5"`, no) + set("b", ` score="INFINITY"`, yes), "yes"},
		{"the last of equals", set("a", "", no) + set("b", ` score="0"`, yes), "yes"},
		{"the set of the tools", set("a", ` score="INFINITY"`, no) + set("cib-bootstrap-options", "", yes) + set("b", "", no), "yes"},
		{"a set with a rule", set("a", "", yes) + set("b", ` score="5"`, `<rule id="r"/>`+no), "yes"},
		{"none", set("a", "", ""), ""},
	} {
		cib, err := ReadCIB("x", []byte("<cib><configuration><crm_config>"+c.sets+"</crm_config></configuration></cib>"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if pair := cib.Property("p"); pair != nil {
			got = pair.Get("value")
		}
		if got != c.want {
			t.Errorf("%s: %q counts, want %q", c.name, got, c.want)
		}
	}
}

func FuzzReadCIB(f *testing.F) {
	f.Add(testCIB)
	f.Add("<cib><configuration><crm_config/></configuration></cib>")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ReadCIB("x", []byte(text))
		if err != nil {
			return
		}
		again, err := ReadCIB("x", []byte("<cib>"+string(c.configurationText())+"</cib>"))
		if err != nil || c.Configuration().Line() != again.Configuration().Line() {
			t.Errorf("its configuration alone: %v, or another one", err)
		}
		compare(c, wanted()).report()
		speaking(c, wanted())
	})
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"60": "1m0s", "60s": "1m0s", " 1min ": "1m0s", "500ms": "500ms", "2H": "2h0m0s",
		"": "no time", "soon": "no time", "-1": "no time", "1.5": "no time", "99999999999": "no time",
	} {
		got := "no time"
		if d, isTime := Seconds(text); isTime {
			got = d.String()
		}
		if got != want {
			t.Errorf("Seconds(%q) is %s, want %s", text, got, want)
		}
	}
}
