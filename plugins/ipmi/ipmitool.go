package main

import (
	"context"
	"errors"

	"github.com/stonith-plugins/stonith-plugins/plugins/ipmi/rmcp"
)

// An ipmitool is a chassis by way of the program ipmitool.
type ipmitool struct {
	path  string
	login rmcp.Config
}

func (t *ipmitool) String() string { return t.path }

func (t *ipmitool) ChassisStatus(context.Context) (rmcp.Chassis, error) {
	return rmcp.Chassis{}, errors.New("not there yet")
}

func (t *ipmitool) ChassisControl(context.Context, rmcp.Control) error {
	return errors.New("not there yet")
}

func (t *ipmitool) DeviceGUID(context.Context) (rmcp.GUID, error) {
	return rmcp.GUID{}, errors.New("not there yet")
}

func (t *ipmitool) SystemGUID(context.Context) (rmcp.GUID, error) {
	return rmcp.GUID{}, errors.New("not there yet")
}

func (t *ipmitool) Close() error { return nil }
