package rmcp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// resolve returns the addresses behind all names. A name that is not found does no
// harm as long as another one is.
func (o *Opener) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	var failed attempts
	for _, address := range o.Addresses {
		found, err := o.resolveOne(ctx, address)
		if err != nil {
			failed = append(failed, err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, failed
	}
	return all, nil
}

func (o *Opener) resolveOne(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("%w: address %q: port %q is not a number from 1 to 65535", ErrConfig, address, service)
	}
	found, err := o.lookup(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	all := make([]netip.AddrPort, len(found))
	for i, ip := range found {
		all[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return all, nil
}
