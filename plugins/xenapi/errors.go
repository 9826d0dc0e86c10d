package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/stonith-plugins/stonith-plugins/plugins/internal/stonith"
	"github.com/stonith-plugins/stonith-plugins/plugins/xenapi/rpc"
)

// A meaning is what a failure that XenAPI reports comes to.
type meaning struct {
	reason stonith.Reason
	hint   string
}

// hostOffline is the failure of a request for a guest whose host is dead as far as the pool knows.
const hostOffline = "HOST_OFFLINE"

// meanings of the failures that tell more than that the device has a fault.
var meanings = map[string]meaning{
	"SESSION_AUTHENTICATION_FAILED": {stonith.NotAuthenticated, "is this the user and password of the pool? ssh as that user to the master to try them"},
	"SESSION_AUTHORIZATION_FAILED":  {stonith.NotPermitted, "the password is right, but the user is no subject of this pool, or is suspended in the directory: xe subject-list shows who may log in"},
	"RBAC_PERMISSION_DENIED":        {stonith.NotPermitted, "give the user the role vm-operator, or use root"},
	"OPERATION_BLOCKED":             {stonith.NotPermitted, "xe vm-param-remove uuid=UUID param-name=blocked_operations param-key=hard_shutdown lifts the block"},
	"OPERATION_NOT_ALLOWED":         {stonith.NotPermitted, ""},
	"VM_IS_TEMPLATE":                {stonith.NotPermitted, ""},
	"VM_IS_SNAPSHOT":                {stonith.NotPermitted, ""},
	"LICENCE_RESTRICTION":           {stonith.NotPermitted, ""},
	hostOffline:                     {stonith.Unreachable, ""},
	"CANNOT_CONTACT_HOST":           {stonith.Unreachable, ""},
	"HANDLE_INVALID":                {stonith.NotFound, "has the guest been deleted, or is this another pool?"},
	"UUID_INVALID":                  {stonith.NotFound, "has the guest been deleted, or is this another pool?"},
	"VM_BAD_POWER_STATE":            {stonith.UnknownState, ""}, // somebody else was faster, or the record was old
	"SESSION_INVALID":               {stonith.Unreachable, ""},
	"HOST_IS_SLAVE":                 {stonith.Unreachable, ""},
}

// emergencies are what a member answers that has no master, or is none yet.
var emergencies = []string{
	"HOST_STILL_BOOTING", "HOST_HAS_NO_MANAGEMENT_IP", "HOST_UNKNOWN_TO_MASTER", "HOST_ITS_OWN_SLAVE",
	"HOST_MASTER_CANNOT_TALK_BACK", "HOST_BROKEN", "HA_HOST_CANNOT_ACCESS_STATEFILE",
	"HA_HEARTBEAT_DAEMON_STARTUP_FAILED", "HA_POOL_IS_ENABLED_BUT_HOST_IS_DISABLED",
}

// code returns the code of the failure that XenAPI reported, "" if err is none.
func code(err error) string {
	var failure *rpc.Failure
	if !errors.As(err, &failure) {
		return ""
	}
	return failure.Code
}

// explain gives a failure that XenAPI reported its reason and hint.
func explain(failure *rpc.Failure) error {
	m, ok := meanings[failure.Code]
	switch {
	case ok && failure.Code == "HANDLE_INVALID" && !strings.EqualFold(failure.Arg(0), "VM"):
		return stonith.Errorf(stonith.DeviceError, "it answers %w", failure)
	case ok && m.hint != "":
		return stonith.Errorf(m.reason, "it answers %w", failure).WithHint("%s", m.hint)
	case ok:
		return stonith.Errorf(m.reason, "it answers %w", failure)
	case slices.Contains(emergencies, failure.Code):
		return stonith.Errorf(stonith.Unreachable, "it answers %w", failure)
	default:
		return stonith.Errorf(stonith.DeviceError, "it answers %w", failure)
	}
}

// A broken error is one of the connection or of the member as a whole: what it
// interrupted may have been done or not.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// endsSession reports whether the session is of no more use after err. A member
// that is no longer the master, or forgot the session, has another master now or
// soon; one that says nothing may be dead.
func endsSession(err error) bool {
	var b broken
	if errors.As(err, &b) {
		return true
	}
	c := code(err)
	return c == "SESSION_INVALID" || c == "HOST_IS_SLAVE" || slices.Contains(emergencies, c)
}

// argument returns an argument of the failure that XenAPI reported, and "" where err is no
// such failure or has fewer arguments. The first one of HOST_IS_SLAVE is the address of the slave's master, the third
// one of OTHER_OPERATION_IN_PROGRESS the operation.
func argument(err error, n int) string {
	var failure *rpc.Failure
	if !errors.As(err, &failure) {
		return ""
	}
	return failure.Arg(n)
}

// isCertificate reports whether err is a certificate that is not trusted.
func isCertificate(err error) bool {
	return err != nil && stonith.ReasonOf(err) == stonith.NotAuthenticated && code(err) == ""
}
