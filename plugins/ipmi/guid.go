package main

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

// A guid is a GUID as 32 hexadecimal digits, in whichever order of bytes it was written.
type guid string

// parseGUID reads a GUID with dashes or without.
func parseGUID(text string) (digits string, ok bool) {
	digits = strings.ToLower(strings.ReplaceAll(text, "-", ""))
	raw, err := hex.DecodeString(digits)
	return digits, err == nil && len(raw) == len(rmcp.GUID{})
}

// mistake says that the GUID of a node is none: it is what BMCs tell that have none.
func (g guid) mistake(node string) error {
	if strings.Trim(string(g), "0") != "" && strings.Trim(string(g), "f") != "" {
		return nil
	}
	return stonith.Errorf(stonith.BadConfig, "bmc_guid: node %s: %s is what BMCs tell that have no GUID", node, g).
		WithHint("leave this node out of bmc_guid, or set the GUID of its BMC")
}

// errWrongBMC is what a BMC of another node is.
var errWrongBMC = errors.New("another BMC than bmc_guid says")

// busyCodes are the completion codes of a BMC that has no time to say what it knows
// (IPMI specification v2.0, table 5-2).
var busyCodes = []byte{0xC0, 0xC3, 0xC4, 0xCE, 0xD0, 0xD1, 0xD2, 0xFF}

// check says whether the BMC is the one with that GUID. Some BMCs have one of their
// own, some that of the node they are in.
func (g guid) check(ctx context.Context, c chassis) error {
	if g == "" {
		return nil
	}
	var found []string
	var refused error
	busy := false
	for _, read := range []func(context.Context) (rmcp.GUID, error){c.DeviceGUID, c.SystemGUID} {
		its, err := read(ctx)
		var answer *rmcp.CompletionError
		switch {
		case errors.As(err, &answer):
			refused, busy = err, busy || slices.Contains(busyCodes, answer.Code)
		case err != nil:
			return err
		case g.is(its):
			return nil
		default:
			found = append(found, its.String())
		}
	}
	if busy {
		return refused
	}
	if len(found) == 0 {
		return stonith.Errorf(stonith.NotFound, "%w: it tells no GUID: %w", errWrongBMC, refused).
			WithHint("leave this node out of bmc_guid: its BMC cannot be told from others by a GUID")
	}
	return stonith.Errorf(stonith.NotFound, "%w: it has %s, not %s, and is not touched", errWrongBMC, strings.Join(found, " and "), g).
		WithHint("is the address that of another node's BMC? If the BMC was replaced, give bmc_guid its GUID")
}

// is reports whether its is that GUID, in one of the orders of bytes that programs
// print: as it was sent, the reverse (IPMI specification v2.0, section 20.8), or with the
// first three fields reversed (SMBIOS specification, section 7.2.1).
func (g guid) is(its rmcp.GUID) bool {
	reverse := its
	slices.Reverse(reverse[:])
	return slices.Contains([]guid{asGUID(its), asGUID(reverse), asGUID(fieldsReversed(its)), asGUID(fieldsReversed(reverse))}, g)
}

func asGUID(raw rmcp.GUID) guid { return guid(raw.String()) }

// fieldsReversed reverses the bytes of the first three fields.
func fieldsReversed(raw rmcp.GUID) rmcp.GUID {
	slices.Reverse(raw[0:4])
	slices.Reverse(raw[4:6])
	slices.Reverse(raw[6:8])
	return raw
}
