package toolstack

import "testing"

func TestCarries(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"node-1":                                 true,
		"node-1--incoming":                       true,
		"node-1--migratedaway":                   true,
		"migrating-node-1":                       true,
		"Zombie-node-1":                          true,
		"node-1-20261121T0507Z":                  true,
		"":                                       false,
		"node-":                                  false,
		"node-10":                                false,
		"node-1 ":                                false,
		" node-1":                                false,
		"node-1\n":                               false,
		"Node-1":                                 false,
		"anode-1":                                false,
		"node-1.example.org":                     false,
		"node-1-foo":                             false,
		"node-1-20261121":                        false,
		"node-1-20261121T0507":                   false,
		"node-1-20261121T050733Z":                false,
		"node-1-20261121t0507z":                  false,
		"node-10-20261121T0507Z":                 false,
		"node-1-20261121T0507Z-20261121T0508Z":   false,
		"node-1-incoming":                        false,
		"node-1--incoming2":                      false,
		"node-10--incoming":                      false,
		"node-1--migratedaway-20261121T0507Z":    false,
		"migrating-node-10":                      false,
		"migrating-":                             false,
		"zombie-node-1":                          false,
		"Zombie-Zombie-node-1":                   false,
		"Domain-0":                               false,
		"node-1-\u0662\u0660261121T0507Z":        false,
		"node-1\nnode-1":                         false,
		"x\nnode-1     7     8     1     -b----": false,
	}
	for name, want := range tests {
		if got := (Domain{ID: 7, Name: name}).Carries("node-1"); got != want {
			t.Errorf("Domain %q Carries(%q) = %t, want %t", name, "node-1", got, want)
		}
	}
	if (Domain{ID: 7, Name: "nodeA1-20261121T0507Z"}).Carries("node.1") {
		t.Error("a dot in a guest's name stands for any letter")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	tests := map[string]Toolstack{
		"/usr/sbin/xl":       xl{program{"/usr/sbin/xl"}},
		"/opt/xen/bin/xm":    xm{program{"/opt/xen/bin/xm"}},
		"/usr/sbin/xl-4.17":  nil,
		"/usr/sbin/xl/virsh": nil,
		"/":                  nil,
		"":                   nil,
	}
	for path, want := range tests {
		if got, err := New(path); got != want || (err == nil) != (want != nil) {
			t.Errorf("New(%q) = %v, %v, want %v", path, got, err, want)
		}
	}
}
