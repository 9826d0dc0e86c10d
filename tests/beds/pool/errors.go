package pool

import "errors"

// An apiError is an ErrorDescription: a code and its arguments.
type apiError []string

func (e apiError) Error() string { return e[0] }

// errGone ends a call whose member died, or whose pool was closed: nobody answers.
var errGone = errors.New("the member is gone")

func handleInvalid(class, ref string) error { return apiError{"HANDLE_INVALID", class, ref} }

func uuidInvalid(class, uuid string) error { return apiError{"UUID_INVALID", class, uuid} }

func internalError(text string) error { return apiError{"INTERNAL_ERROR", text} }

func hostIsSlave(master string) error { return apiError{"HOST_IS_SLAVE", master} }
