// Ipmi is external/ipmi2, which fences physical nodes by their BMC.
package main

import "github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"

// version is set by the linker.
var version = "dev"

func plugin() stonith.Plugin {
	return stonith.Plugin{
		Name:  "ipmi2", // cluster-glue has an external/ipmi
		Title: "Physical nodes, by their BMC",
		Description: "Fences physical nodes by IPMI. It logs in at the node's BMC, switches the power off, and reads the state of " +
			"the chassis until it is off. It takes all parameters of cluster-glue's external/ipmi.",
		URL:     "https://github.com/stonith-plugins/stonith-plugins",
		Plug:    stonith.PlugSyntax{Word: "BMC", Apart: true, Check: checkBMC},
		OneNode: "hostname",
		Agent:   fenceAgent(),
		New:     func() stonith.Config { return newConfig() },
	}
}

func main() { plugin().Main(version) }
