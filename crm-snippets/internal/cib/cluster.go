package cib

// A Cluster is what a cluster.conf says of fencing.
type Cluster struct {
	Name  string
	Nodes []ClusterNode
	// Devices are the fencedevices.
	Devices []FenceDevice
	// Settings are those of cman and of fenced, as cman.two_node.
	Settings []Parameter
	// Others are elements that have nothing to do with fencing.
	Others []Item
	// Unread is what of the fencing part was not understood.
	Unread []Item
}

// A ClusterNode is a node, with the methods that are tried in their order.
type ClusterNode struct {
	Name    string
	Methods []Method
	Place   Place
}

// A Method is a way to fence a node: all of its devices are used.
type Method struct {
	Name    string
	Devices []FenceDevice
	Place   Place
}

// A FenceDevice is a device, or the use of one in a method.
type FenceDevice struct {
	Name string
	// Agent is empty in a method.
	Agent      string
	Parameters []Parameter
	Place      Place
}

// ReadCluster reads the root of a cluster.conf.
func ReadCluster(root *Element) Cluster {
	c := Cluster{Name: root.take("name")}
	root.take("config_version")
	root.take("alias")
	for _, e := range root.Children {
		switch e.Name {
		case "clusternodes":
			e.mark()
			for _, node := range e.Children {
				if node.Name == "clusternode" {
					c.Nodes = append(c.Nodes, clusterNode(node))
				}
			}
		case "fencedevices":
			e.mark()
			for _, device := range e.Children {
				if device.Name == "fencedevice" {
					c.Devices = append(c.Devices, fenceDevice(device))
				}
			}
		case "cman", "fence_daemon":
			e.mark()
			for _, a := range e.Attributes {
				c.Settings = append(c.Settings, Parameter{e.Name + "." + a.Name, e.take(a.Name), e.Place})
			}
		default:
			e.markAll()
			c.Others = append(c.Others, Item{e.Name, e.Get("name"), e.Place})
		}
	}
	c.Unread = root.unread()
	return c
}

func clusterNode(e *Element) ClusterNode {
	node := ClusterNode{Name: e.take("name"), Place: e.Place}
	e.take("nodeid")
	e.take("votes")
	for _, fence := range e.Children {
		if fence.Name != "fence" {
			continue
		}
		fence.mark()
		for _, method := range fence.Children {
			if method.Name != "method" {
				continue
			}
			m := Method{Name: method.take("name"), Place: method.Place}
			for _, device := range method.Children {
				if device.Name == "device" {
					m.Devices = append(m.Devices, fenceDevice(device))
				}
			}
			node.Methods = append(node.Methods, m)
		}
	}
	return node
}

func fenceDevice(e *Element) FenceDevice {
	d := FenceDevice{Name: e.take("name"), Place: e.Place}
	for _, a := range e.Attributes {
		switch a.Name {
		case "name":
		case "agent":
			d.Agent = e.take("agent")
		default:
			d.Parameters = append(d.Parameters, Parameter{a.Name, e.take(a.Name), e.Place})
		}
	}
	return d
}
