package toolstack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandOf(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"xl create a":            "create a",
		"xl -v -fN create a":     "create a",
		"xl -- create -v":        "create -v",
		"xl cr":                  "create ",
		"xl restor x y":          "restore x y",
		"xl migrate a b":         "migrate a b",
		"xl migrate-":            "migrate-receive ",
		"xl migrate-receive -r":  "migrate-receive -r",
		"xl sa a b":              "save a b",
		"xl remu":                "remus ",
		"xl c":                   " ",
		"xl re":                  " ",
		"xl s":                   " ",
		"xl migrat":              " ",
		"xl creates":             " ",
		"xl resume":              " ",
		"xl suspend":             " ",
		"xl list create":         " ",
		"xl":                     " ",
		"xl -v":                  " ",
		"create restore":         "restore ",
		"xl Create":              " ",
		"xl migrate-receive2 -r": " ",
	}
	for line, want := range tests {
		command, args := commandOf(strings.Fields(line))
		if diff := cmp.Diff(want, command+" "+strings.Join(args, " ")); diff != "" {
			t.Errorf("commandOf(%q) (-want +got):\n%s", line, diff)
		}
	}
}

func TestCreateWords(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                                  "|",
		"a.cfg":                             "a.cfg|",
		"a.cfg b.cfg":                       "a.cfg|",
		"-q a.cfg":                          "a.cfg|",
		"a.cfg -q x=1 y=2":                  "a.cfg|x=1 y=2",
		"x=1 a.cfg":                         "a.cfg|x=1",
		"a=1.cfg":                           "|a=1.cfg",
		"-f a.cfg":                          "a.cfg|",
		"b.cfg -qpf a.cfg x=1":              "a.cfg|x=1",
		"-fa.cfg":                           "a.cfg|",
		"-fq a.cfg":                         "q|",
		"--defconfig=a.cfg":                 "a.cfg|",
		"--de a.cfg x=1":                    "a.cfg|x=1",
		"--dryrun a.cfg":                    "a.cfg|",
		"--quiet --defconfig":               "|",
		"-q -- -a.cfg x=1":                  "-a.cfg|x=1",
		"- x=1":                             "-|x=1",
		"-ceV --vncviewer a.cfg --pause=no": "a.cfg|",
	}
	for words, want := range tests {
		file, settings := createWords(strings.Fields(words))
		if diff := cmp.Diff(want, file+"|"+strings.Join(strings.Fields(settings), " ")); diff != "" {
			t.Errorf("createWords(%q) (-want +got):\n%s", words, diff)
		}
	}
}

func TestHelperDomain(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"--save-domain 8 -1 7 1 3 0":                     "7", // 4.17
		"--save-domain 8 9 7 0 3 1":                      "7", // remus
		"--save-domain 8 -1 7 1 0 3 0":                   "7", // 4.10
		"--save-domain 8 -1 7 0 0 1 0 3 0":               "7", // 4.7
		"--save-domain 8 7 0 0 1 0 3":                    "7", // 4.6
		"--save-domain 8 7 0 0 1 0 9 10 3":               "7", // 4.5
		"--restore-domain 8 -1 7 2 0 4 0 3 0":            "7", // 4.17
		"--restore-domain 8 9 7 2 0 4 0 3 0":             "7", // by migrate-receive
		"--restore-domain 8 -1 7 2 0 4 0 1 1 3 0":        "7", // 4.10
		"--restore-domain 8 9 7 2 0 4 0 1 1 1 3 0":       "7", // 4.7
		"--restore-domain 8 7 2 0 4 0 1 1 1 3 0":         "7", // 4.6
		"--restore-domain 8 7 2 0 4 0 1 1 1 0 3 0":       "7", // 4.4
		"--restore-domain 8 7 2":                         "",
		"--help":                                         "",
		"--other-domain 8 9 7 2 0 4 0 3 0":               "",
		"--restore-domain 10 11 12 13 14 15 16 17 18 19": "12",
	}
	for words, want := range tests {
		if got := helperDomain(strings.Fields("libxl-save-helper " + words)); got != want {
			t.Errorf("helperDomain(%q) = %q, want %q", words, got, want)
		}
	}
	if got := helperDomain([]string{""}); got != "" {
		t.Errorf("helperDomain of nothing = %q", got)
	}
}
