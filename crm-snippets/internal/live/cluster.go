// Package live changes the configuration of a cluster, or a file that stands for one.
//
// A change is made as a whole or not at all: a tool of the cluster software makes it in
// a copy; the copy is looked at; and then the cluster takes the difference in one piece,
// if nothing else has changed meanwhile, or the copy takes the place of the file.
package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stonith-plugins/stonith-plugins/internal/printable"
)

// A Cluster is what is changed.
type Cluster struct {
	// File is a CIB that stands for the cluster. If it is empty, the cluster is the one
	// that this machine is in.
	File string
	// Tools are the programs.
	Tools *Tools
	// Tool is the one to change it with; the first that is there if it is empty.
	Tool Tool
}

// Read reads the CIB.
func (c *Cluster) Read(ctx context.Context) (*CIB, error) {
	if c.File != "" {
		text, err := readFile(c.File)
		if err != nil {
			return nil, err
		}
		return ReadCIB(c.File, text)
	}
	text, err := c.Tools.Run(ctx, Call{Program: "cibadmin", Args: []string{"--query"}})
	if err != nil {
		return nil, fmt.Errorf("the cluster's configuration cannot be read (--cib FILE is for a file): %w", err)
	}
	return ReadCIB("cibadmin --query", text)
}

// readFile reads a file that can be replaced: none that would keep us waiting, or has
// no end.
func readFile(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: this is no file of a CIB: it is not a regular file", name)
	}
	return os.ReadFile(name)
}

// A request is a change that is asked for.
type request struct {
	// judge says what of a CIB is to be done. It fails if nothing can be.
	judge func(*CIB) (task, error)
	// dryRun ends when the difference is shown.
	dryRun bool
}

// A task is what is to be done with a CIB.
type task struct {
	// lines show the difference.
	lines []string
	// edit changes the copy.
	edit func(context.Context, *editor) error
	// secret says that the tool is given secrets.
	secret bool
	// done says whether a CIB is as it should be.
	done func(*CIB) bool
	// belongs says whether an element that is there before or after has to do with the
	// task. All others stay as they are.
	belongs func(*Element) bool
}

// How often a change is made anew if the cluster's configuration changes meanwhile, and
// given to the cluster anew if its state does.
const (
	tries      = 3
	patchTries = 10
)

// errStale is that the cluster has another state than the one that was read.
var errStale = errors.New("the cluster has changed since it was read")

// change shows the difference, and makes the change.
func (c *Cluster) change(ctx context.Context, out io.Writer, r request) error {
	var shown []string
	for try := 1; ; try++ {
		before, err := c.Read(ctx)
		if err != nil {
			return err
		}
		t, err := r.judge(before)
		if err != nil {
			return err
		}
		if shown != nil && strings.Join(t.lines, "\n") != strings.Join(shown, "\n") {
			return fmt.Errorf("%w, and the difference is not the one shown: nothing was changed; look again", errStale)
		}
		if shown == nil {
			shown = t.lines
			if err := show(out, t.lines); err != nil || len(t.lines) == 0 || r.dryRun {
				return err
			}
		}
		err = c.make(ctx, before, t)
		if try == tries || !errors.Is(err, errStale) {
			return err
		}
		time.Sleep(100 * time.Millisecond) // let it settle
	}
}

func show(out io.Writer, lines []string) error {
	if len(lines) == 0 {
		lines = []string{"nothing to do"}
	}
	_, err := fmt.Fprintln(out, printable.Text(strings.Join(lines, "\n")))
	return err
}

// make makes the change: in a copy, and if that is right, in the cluster.
func (c *Cluster) make(ctx context.Context, before *CIB, t task) error {
	tool, err := c.Tools.choose(c.Tool, t.secret)
	if err != nil {
		return err
	}
	copied, err := c.Tools.Put("copy.xml", before.text)
	if err != nil {
		return err
	}
	if err := t.edit(ctx, &editor{tools: c.Tools, tool: tool, copy: copied}); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	text, err := os.ReadFile(copied)
	if err != nil {
		return err
	}
	after, err := ReadCIB("the CIB that "+string(tool)+" wrote", text)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if !t.done(after) {
		return fmt.Errorf("nothing was changed: %s did not do what it was asked for; try another --tool", tool)
	}
	if foreign := foreignChange(before, after, t.belongs); foreign != "" {
		return fmt.Errorf("nothing was changed: %s would also change %s; try another --tool", tool, foreign)
	}
	if c.File != "" {
		return replaceFile(c.File, before.text, text)
	}
	return c.patch(ctx, before, after, t)
}

// foreignChange returns an element of the configuration that a change has to do with,
// though it should not, and "" if there is none.
func foreignChange(before, after *CIB, belongs func(*Element) bool) string {
	old, now := foreign(before, belongs), foreign(after, belongs)
	for _, all := range [][]string{old, now} {
		for _, text := range all {
			if count(old, text) != count(now, text) {
				name, _, _ := strings.Cut(text, ">")
				return name + ">"
			}
		}
	}
	return ""
}

// foreign returns the elements of all sections that a task has nothing to do with.
func foreign(c *CIB, belongs func(*Element) bool) []string {
	var all []string
	for _, section := range c.Configuration().Children {
		for _, e := range section.Children {
			if !belongs(e) {
				all = append(all, section.Name+": "+withoutOwn(e, belongs))
			}
		}
	}
	return all
}

func count(all []string, text string) int {
	n := 0
	for _, its := range all {
		if its == text {
			n++
		}
	}
	return n
}

// withoutOwn returns an element in one line, but for children that belong to a task.
func withoutOwn(e *Element, belongs func(*Element) bool) string {
	rest := &Element{Name: e.Name, Attributes: e.Attributes}
	for _, child := range e.Children {
		if !belongs(child) {
			rest.Children = append(rest.Children, child)
		}
	}
	return rest.Line()
}

// The exit statuses of cibadmin for a difference that is not to what the cluster has,
// and when nobody has answered in time.
const (
	exitOld     = 103
	exitTimeout = 124
)

// patch gives the cluster a configuration in one piece, if it still has the one from
// before. Its state may change meanwhile, and stays.
func (c *Cluster) patch(ctx context.Context, before, after *CIB, t task) error {
	for try := 1; ; try++ {
		now, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if now.Configuration().Line() != before.Configuration().Line() {
			return fmt.Errorf("nothing was changed: %w", errStale)
		}
		err = c.patchOnce(ctx, now, after)
		if errors.Is(err, errStale) && try < patchTries {
			continue
		}
		if err != nil {
			return err
		}
		if now, err = c.Read(ctx); err == nil && !t.done(now) {
			err = fmt.Errorf("the cluster has taken the change, and does not show it")
		}
		return err
	}
}

// patchOnce gives the cluster the difference to another configuration. It takes that
// only if it still is in the state that was read.
func (c *Cluster) patchOnce(ctx context.Context, now, after *CIB) error {
	difference, err := c.difference(ctx, now, after)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	_, err = c.Tools.Run(ctx, Call{Program: "cibadmin", Args: []string{"--patch", "--xml-pipe"}, Stdin: difference})
	switch status := exitStatus(err); {
	case err == nil:
		return nil
	case status == exitOld:
		return fmt.Errorf("nothing was changed: %w: %w", errStale, err)
	case status < 0 || status == exitTimeout:
		return fmt.Errorf("it is not known whether the cluster was changed, look again: %w", err)
	default:
		return fmt.Errorf("nothing was changed: %w", err)
	}
}

// difference returns what turns the configuration of a CIB into another one.
func (c *Cluster) difference(ctx context.Context, now, after *CIB) ([]byte, error) {
	from, err := c.Tools.Put("from.xml", now.text)
	if err != nil {
		return nil, err
	}
	to, err := c.Tools.Put("to.xml", now.text)
	if err != nil {
		return nil, err
	}
	replace := Call{Program: "cibadmin", Args: []string{"--replace", "--scope", "configuration", "--xml-pipe"}, Stdin: after.configurationText(), CIBFile: to}
	if _, err := c.Tools.Run(ctx, replace); err != nil {
		return nil, err
	}
	// Its exit status is 1 if there is a difference.
	difference, err := c.Tools.Run(ctx, Call{Program: "crm_diff", Args: []string{"--original", from, "--new", to}})
	if len(difference) == 0 {
		return nil, errors.Join(errors.New("crm_diff shows no difference"), err)
	}
	return difference, nil
}

// replaceFile puts a text in the place of a file, with the same mode and owner, unless
// it has changed since it was read. Who reads it meanwhile sees the old or the new one.
func replaceFile(name string, before, after []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(name + ".sig"); err == nil {
		return fmt.Errorf("%s: there is a %s.sig, so this is the cluster's own file, and a change would make it useless: leave --cib out", name, filepath.Base(name))
	}
	temporary, err := copyOwner(name)
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) //nolint:errcheck // it is gone if all went well
	_, err = temporary.Write(after)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	now, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return fmt.Errorf("%s: %w: nothing was changed", name, errStale)
	}
	return os.Rename(temporary.Name(), name)
}
