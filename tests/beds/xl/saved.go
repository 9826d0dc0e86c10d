//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// savedMagic begins a saved guest (savefileheader_magic in tools/xl/xl.c).
const savedMagic = "Xen saved domain, xl format\n \x00 \r"

// savedFlags say that the configuration is JSON and the stream of version 2.
const savedFlags = 3

// Records of the stream (tools/libs/light/libxl_sr_stream_format.h). Memory is not
// that of the real one: a guest here has none.
const (
	streamMagic  = "LibxlFmt\x00\x00\x00\x02\x00\x00\x00\x00"
	recordEnd    = 0
	recordMemory = 1
	memorySize   = 64 << 10
)

// savedConfig is a guest's configuration as it stands in a saved guest: the JSON of
// list -l, and a NUL.
func (d domain) savedConfig() ([]byte, error) {
	var entry struct {
		Config json.RawMessage `json:"config"`
	}
	err := json.Unmarshal([]byte(d.long()), &entry)
	return append(entry.Config, 0), err
}

// writeHeader writes all that is before the stream, and says so as xl does.
func (x toolstack) writeHeader(w io.Writer, to string, d domain) error {
	config, err := d.savedConfig()
	if err != nil {
		return err
	}
	header := []byte(savedMagic)
	for _, word := range []int{0x01020304, savedFlags, 0, 4 + len(config), len(config)} {
		header = binary.LittleEndian.AppendUint32(header, uint32(word))
	}
	if _, err := w.Write(append(header, config...)); err != nil {
		return err
	}
	fmt.Fprintf(x.stderr, "Saving to %s new xl format (info 0x%x/0x0/%d)\n", to, savedFlags, 4+len(config))
	return nil
}

// readHeader reads it.
func (x toolstack) readHeader(r io.Reader, from string) (spec, error) {
	header := make([]byte, len(savedMagic)+20)
	if _, err := io.ReadFull(r, header); err != nil {
		return spec{}, refusal{fmt.Sprintf("libxl: error: libxl_utils.c:507:libxl_read_exactly: file/stream truncated reading header from %s\n", from), 1}
	}
	words := header[len(savedMagic):]
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(words[4*i:]) }
	if string(header[:len(savedMagic)]) != savedMagic {
		return spec{}, refusal{"File has wrong magic number - corrupt or for a different tool?\n", 1}
	}
	fmt.Fprintf(x.stderr, "Loading new save file %s (new xl fmt info 0x%x/0x%x/%d)\n Savefile contains xl domain config in JSON format\n"+
		"Parsing config from <saved>\n", from, word(1), word(2), word(3))
	config := make([]byte, word(4))
	if _, err := io.ReadFull(r, config); err != nil {
		return spec{}, refusal{fmt.Sprintf("libxl: error: libxl_utils.c:507:libxl_read_exactly: file/stream truncated reading optdata from %s\n", from), 1}
	}
	return parseSaved(config)
}

func parseSaved(config []byte) (spec, error) {
	var saved struct {
		Info struct {
			Name string `json:"name"`
			UUID string `json:"uuid"`
		} `json:"c_info"`
		Build struct {
			Memory int `json:"max_memkb"`
		} `json:"b_info"`
		OnPoweroff  string `json:"on_poweroff"`
		OnReboot    string `json:"on_reboot"`
		OnCrash     string `json:"on_crash"`
		OnWatchdog  string `json:"on_watchdog"`
		OnSoftReset string `json:"on_soft_reset"`
	}
	err := json.Unmarshal([]byte(strings.TrimSuffix(string(config), "\x00")), &saved)
	c := spec{
		Name: saved.Info.Name, UUID: saved.Info.UUID, Memory: saved.Build.Memory / 1024,
		OnPoweroff: saved.OnPoweroff, OnReboot: saved.OnReboot, OnCrash: saved.OnCrash,
		OnWatchdog: saved.OnWatchdog, OnSoftReset: saved.OnSoftReset,
	}
	for _, policy := range []*string{&c.OnPoweroff, &c.OnReboot, &c.OnCrash, &c.OnWatchdog, &c.OnSoftReset} {
		if *policy == "" {
			*policy = "destroy"
		}
	}
	return c, err
}

// writeRecord writes a record, whose contents have no zeros.
func writeRecord(w io.Writer, kind, length int) error {
	record := binary.LittleEndian.AppendUint32(nil, uint32(kind))
	record = binary.LittleEndian.AppendUint32(record, uint32(length))
	_, err := w.Write(append(record, bytes.Repeat([]byte{0xa5}, length)...))
	return err
}

// readStream reads to the end of the stream, and no byte more.
func readStream(r io.Reader) error {
	magic := make([]byte, len(streamMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != streamMagic {
		return errors.New("stream is none of libxl")
	}
	for {
		var record [8]byte
		if _, err := io.ReadFull(r, record[:]); err != nil {
			return err
		}
		kind, length := binary.LittleEndian.Uint32(record[:]), binary.LittleEndian.Uint32(record[4:])
		if kind == recordEnd {
			return nil
		}
		if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
			return err
		}
	}
}

// fileOf is a descriptor that a helper was started with.
func fileOf(number int, name string) *os.File { return os.NewFile(uintptr(number), name) }
