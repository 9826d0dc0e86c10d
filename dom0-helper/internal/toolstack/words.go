package toolstack

import (
	"strings"
)

// The commands of xl that bring a guest back, or write what brings it back.
const (
	create  = "create"
	restore = "restore"
	receive = "migrate-receive"
	save    = "save"
	migrate = "migrate"
	remus   = "remus"
)

// least is how many letters of each command are enough, since no other command
// begins with them (cmdtable_lookup in tools/xl/xl_cmdtable.c). Where there is
// `xl resume`, since 4.20, "res" is refused as ambiguous, and brings nothing back.
var least = map[string]int{
	create: len("cr"), restore: len("res"), receive: len("migrate-"), save: len("sa"), migrate: len("migrate"), remus: len("rem"),
}

// commandOf returns the command that the words of an xl have, by its full name,
// and the words behind it. It is empty if it is none of those above.
func commandOf(words []string) (command string, args []string) {
	if len(words) == 0 {
		return "", nil
	}
	rest := words[1:]
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' { // -v, -f, -t, -T, -N; main in tools/xl/xl.c
		isEnd := rest[0] == "--"
		rest = rest[1:]
		if isEnd {
			break
		}
	}
	if len(rest) == 0 {
		return "", nil
	}
	for full, letters := range least {
		if len(rest[0]) >= letters && strings.HasPrefix(full, rest[0]) {
			return full, rest[1:]
		}
	}
	return "", nil
}

// withValue are the letters of a command's options that have a value, from the
// calls of SWITCH_FOREACH_OPT in tools/xl.
var withValue = map[string]string{create: "f", migrate: "Cs", remus: "isN"}

// defconfig is the one long option with a value of these commands that have words besides options: create's -f.
const defconfig = "defconfig"

// getopt takes the options out of a command's words, which may stand anywhere
// before "--", as getopt_long(3) does. It returns what is not an option, and the
// values of options by their letters, of each the last.
func getopt(command string, args []string) (rest []string, values map[byte]string) {
	values = map[byte]string{}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		take := func(letter byte) {
			if len(args) > 0 {
				values[letter], args = args[0], args[1:]
			}
		}
		switch {
		case word == "--":
			return append(rest, args...), values
		case strings.HasPrefix(word, "--"):
			name, value, has := strings.Cut(word[2:], "=")
			isDefconfig := command == create && len(name) > 1 && strings.HasPrefix(defconfig, name)
			if isDefconfig && has {
				values['f'] = value
			} else if isDefconfig {
				take('f')
			}
		case len(word) > 1 && word[0] == '-':
			for i := 1; i < len(word); i++ {
				if !strings.Contains(withValue[command], word[i:i+1]) {
					continue
				}
				if i+1 < len(word) {
					values[word[i]] = word[i+1:]
				} else {
					take(word[i])
				}
				break
			}
		default:
			rest = append(rest, word)
		}
	}
	return rest, values
}

// createWords returns the configuration file that the words of xl create name, if
// any, and the settings among them, which go behind what is in the file
// (main_create in tools/xl/xl_vmcontrol.c).
func createWords(args []string) (file, settings string) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && !strings.Contains(args[0], "=") {
		file, args = args[0], args[1:]
	}
	rest, values := getopt(create, args)
	if value, ok := values['f']; ok {
		file = value
	}
	for _, word := range rest {
		switch {
		case strings.Contains(word, "="):
			settings += word + "\n"
		case file == "":
			file = word
		}
	}
	return file, settings
}

// helperDomain returns the id of the domain that a libxl-save-helper reads or
// writes, as its words have it, and "" if they are none of its. Its words are MODE FD
// [BACKFD] DOMID and more numbers: BACKFD is there since 4.7, and DOMID is never 0.
// Before, two words behind DOMID (save) or one (restore: the domain of xenstored) is
// 0 (tools/libs/light/libxl_save_callout.c of each release).
func helperDomain(words []string) string {
	if len(words) < 6 {
		return ""
	}
	numbers := words[2:]
	zero := map[string]int{"--save-domain": 2, "--restore-domain": 3}[words[1]]
	switch {
	case zero == 0:
		return ""
	case numbers[1] != "-1" && numbers[zero] == "0":
		return numbers[1]
	}
	return numbers[2]
}
