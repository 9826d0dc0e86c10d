package main

import "github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"

func fenceAgent() stonith.Agent { return stonith.Agent{Name: "fence_xapi"} }
