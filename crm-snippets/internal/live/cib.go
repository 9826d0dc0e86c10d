package live

import (
	"fmt"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/crm-snippets/internal/cib"
)

// A CIB is a cluster's configuration and state, as it was read.
type CIB struct {
	text []byte
	root *Element
}

// An Element is one of a CIB.
type Element = cib.Element

// ReadCIB reads a CIB. Its errors name the file, line and column.
func ReadCIB(file string, text []byte) (*CIB, error) {
	roots, err := cib.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	if root := roots[0]; len(roots) == 1 && root.Name == "cib" && root.Child("configuration") != nil {
		return &CIB{text: text, root: root}, nil
	}
	return nil, fmt.Errorf("%s: this is no CIB: want one element cib with a configuration", file)
}

// Configuration is the part of the CIB that an administrator writes.
func (c *CIB) Configuration() *Element { return c.root.Child("configuration") }

// configurationText returns the configuration as it was read.
func (c *CIB) configurationText() []byte {
	e := c.Configuration()
	return c.text[e.Start:e.End]
}

// Schema returns the name of the schema that the CIB says it follows.
func (c *CIB) Schema() string { return c.root.Get("validate-with") }

// Text returns the CIB as it was read.
func (c *CIB) Text() []byte { return c.text }

// Find returns the element of the configuration with an id, and nil if there is none.
func (c *CIB) Find(id string) *Element { return c.Configuration().Find(id) }

// Property returns the pair of a property of the cluster, and nil if it is not set.
// Where several pairs are of it, that is the one that counts.
func (c *CIB) Property(name string) *Element {
	for _, pair := range c.Properties() {
		if pair.Get("name") == name {
			return pair
		}
	}
	return nil
}

// Properties returns the pairs of all properties of the cluster, the one that counts
// first.
func (c *CIB) Properties() []*Element {
	if section := c.Configuration().Child("crm_config"); section != nil {
		return Pairs(section, "cluster_property_set")
	}
	return nil
}

// Level returns the level with an index of a node's fencing, and nil if there is none.
func (c *CIB) Level(node, index string) *Element {
	for _, level := range c.Configuration().Named("fencing-level") {
		if strings.EqualFold(level.Get("target"), node) && level.Get("index") == index {
			return level
		}
	}
	return nil
}
