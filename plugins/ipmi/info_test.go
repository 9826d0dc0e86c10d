package main

import (
	"flag"
	"testing"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith/stonithtest"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func TestInfo(t *testing.T) { stonithtest.Info(t, plugin(), *update) }
