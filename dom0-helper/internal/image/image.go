// Package image reads the header of a file that the memory of a guest was saved
// to: by xl, by libvirt's driver for Xen, or by xend. It tells whose memory that
// is, and is pure.
package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Header is what the beginning of a saved guest tells.
type Header struct {
	// Format is the toolstack that restores it: "xl", "libvirt" or "xend".
	Format string
	// Name is that of the guest when it was saved. It is never empty.
	Name string
	// UUID is the guest's in lower case, or empty if it gets a new one when it is restored.
	UUID string
}

// ErrNotImage is the error of a file that none of the toolstacks restores: it
// begins in another way than their files.
var ErrNotImage = errors.New("not the image of a saved guest")

// maxConfig is the most that the configuration in an image may have, in bytes.
const maxConfig = 4 << 20

const (
	// xlMagic is savefileheader_magic in tools/xl/xl.c of Xen's source.
	xlMagic = "Xen saved domain, xl format\n \x00 \r"
	// libvirtMagic is LIBXL_SAVE_MAGIC in libvirt's src/libxl/libxl_conf.h.
	libvirtMagic = "libvirt-xml\n \x00 \r"
	// xendMagic is SIGNATURE in XendCheckpoint.py of Xen before 4.5.
	xendMagic = "LinuxGuestRecord"
)

// magicSize is the size of the shortest magic, by which the formats are told apart.
const magicSize = 16

// ReadHeader reads the header of a saved guest, and no more of the file than
// that. Its errors are ErrNotImage, that of r, or one that says why a file which
// begins as an image cannot be understood; that may be anybody's.
func ReadHeader(r io.Reader) (Header, error) {
	magic := make([]byte, magicSize)
	if _, err := io.ReadFull(r, magic); isShort(err) {
		return Header{}, ErrNotImage
	} else if err != nil {
		return Header{}, err
	}
	var h Header
	var err error
	switch string(magic) {
	case xlMagic[:magicSize]:
		h, err = readXL(r)
	case libvirtMagic:
		h, err = readLibvirt(r)
	case xendMagic:
		h, err = readXend(r)
	default:
		return Header{}, ErrNotImage
	}
	if isShort(err) {
		return Header{}, fmt.Errorf("truncated header of an image of %s", h.Format)
	}
	if err == nil && h.Name == "" {
		err = errors.New("it has no name of a guest")
	}
	if err != nil {
		return Header{}, fmt.Errorf("header of an image of %s: %w", h.Format, err)
	}
	h.UUID = strings.ToLower(h.UUID)
	return h, nil
}

// isShort reports whether an error says that there was less to read than needed.
func isShort(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// flagJSON is the flag of xl's header by which the configuration is JSON
// (XL_MANDATORY_FLAG_JSON in tools/xl/xl.h). A later xl may have flags that we do not know,
// and restores what has them, so none is refused here.
const flagJSON = 1 << 0

// readXL reads the rest of save_file_header in tools/xl/xl.h, and the
// configuration in the data behind it.
func readXL(r io.Reader) (Header, error) {
	h := Header{Format: "xl"}
	rest := make([]byte, len(xlMagic)-magicSize+16)
	if _, err := io.ReadFull(r, rest); err != nil {
		return h, err
	}
	words, isXL := bytes.CutPrefix(rest, []byte(xlMagic[magicSize:]))
	if !isXL {
		return h, fmt.Errorf("magic %q is not known", string(xlMagic[:magicSize])+string(rest[:magicSize]))
	}
	if order := binary.LittleEndian.Uint32(words); order != 0x01020304 {
		return h, fmt.Errorf("byte order %#x is not known", order)
	}
	flags, size := binary.LittleEndian.Uint32(words[4:]), binary.LittleEndian.Uint32(words[12:])
	if size < 4 {
		return h, errors.New("it has no configuration")
	}
	length, err := readWord(r, binary.LittleEndian)
	if err != nil {
		return h, err
	}
	if length > size-4 {
		return h, fmt.Errorf("configuration of %d bytes in %d", length, size-4)
	}
	config, err := readConfig(r, length)
	if err != nil {
		return h, err
	}
	if flags&flagJSON != 0 {
		h.Name, h.UUID, err = parseJSON(config)
	} else {
		h.Name, h.UUID, err = parseText(config)
	}
	return h, err
}

// readLibvirt reads the rest of libxlSavefileHeader in src/libxl/libxl_conf.h of libvirt's source.
// Its first word is a version, of which none is refused, as with xl's flags.
func readLibvirt(r io.Reader) (Header, error) {
	h := Header{Format: "libvirt"}
	words := make([]byte, 48)
	if _, err := io.ReadFull(r, words); err != nil {
		return h, err
	}
	config, err := readConfig(r, binary.LittleEndian.Uint32(words[4:]))
	if err != nil {
		return h, err
	}
	h.Name, h.UUID, err = parseXML(config)
	return h, err
}

func readXend(r io.Reader) (Header, error) {
	h := Header{Format: "xend"}
	length, err := readWord(r, binary.BigEndian)
	if err != nil {
		return h, err
	}
	config, err := readConfig(r, length)
	if err != nil {
		return h, err
	}
	h.Name, h.UUID, err = parseSXP(config)
	return h, err
}

func readWord(r io.Reader, order binary.ByteOrder) (uint32, error) {
	var word [4]byte
	_, err := io.ReadFull(r, word[:])
	return order.Uint32(word[:]), err
}

// readConfig reads a configuration of so many bytes. It takes memory for those
// only that are there.
func readConfig(r io.Reader, length uint32) ([]byte, error) {
	if length > maxConfig {
		return nil, fmt.Errorf("configuration of %d bytes, and at most %d are read", length, maxConfig)
	}
	config, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err == nil && len(config) < int(length) {
		err = io.ErrUnexpectedEOF
	}
	return config, err
}
