package live

import (
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
