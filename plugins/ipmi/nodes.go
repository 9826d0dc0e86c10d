package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
)

// maxNodesFile is the size that no nodes_file has, in bytes.
const maxNodesFile = 1 << 20

// An exception is what nodes_file says of one node. What is empty is as for all.
type exception struct {
	addresses  addresses
	user       string
	passwdFile string
}

// name adds the node to an error that may come from what the file says of it.
func (e exception) name(n stonith.Node, err error) error {
	if err == nil || e.user == "" && e.passwdFile == "" {
		return err
	}
	return fmt.Errorf("nodes_file: node %s: %w", n.Name, err)
}

// readNodesFile reads nodes_file and returns the exceptions by node in lower case.
// Whoever can write it decides which machine is shot: ReadFile lets only root and the caller.
func readNodesFile(path string) (map[string]exception, error) {
	text, err := stonith.ReadFile("nodes_file", path, maxNodesFile+1, nil)
	if err != nil {
		return nil, err
	}
	if len(text) > maxNodesFile {
		return nil, stonith.Errorf(stonith.BadConfig, "nodes_file: %s has more than %d bytes", path, maxNodesFile)
	}
	return parseNodesFile(path, string(text))
}

// parseNodesFile parses lines of four words: node, address or addresses with commas
// between them, user, password file. A - leaves it to the parameters. A word that
// begins with # begins a comment. It reports every mistake of the file.
func parseNodesFile(path, text string) (map[string]exception, error) {
	all := map[string]exception{}
	var mistakes []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.Fields(line)
		if i := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "#") }); i >= 0 {
			words = words[:i]
		}
		if len(words) == 0 {
			continue
		}
		node, its, err := parseException(words)
		if _, twice := all[node]; err == nil && twice {
			err = fmt.Errorf("node %q is listed twice", words[0])
		}
		if err != nil {
			mistakes = append(mistakes, stonith.Errorf(stonith.BadConfig, "nodes_file: %s:%d: %w", path, number, err))
		}
		all[node] = its
	}
	return all, errors.Join(mistakes...)
}

func parseException(words []string) (node string, its exception, err error) {
	if len(words) != 4 {
		return "", exception{}, fmt.Errorf("%d words, want four: node, address, user, password file; - for what the parameters say", len(words))
	}
	for i, word := range words {
		if word == "-" {
			words[i] = ""
		}
	}
	its = exception{user: words[2], passwdFile: words[3]}
	if words[0] == "" {
		return "", its, fmt.Errorf("- is not a node")
	}
	return strings.ToLower(words[0]), its, its.addresses.Set(words[1])
}
