package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const uuid = "6c7b8f5e-2d0a-4a51-9c1e-0f6f3f1d7a01"

// words makes a file of texts and of numbers of 32 bits, in x86's order.
func words(parts ...any) string {
	var file []byte
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			file = append(file, part...)
		case int:
			file = binary.LittleEndian.AppendUint32(file, uint32(part))
		}
	}
	return string(file)
}

const (
	jsonConfig = `{"c_info": {"type": "pv", "name": "node-1", "uuid": "` + uuid + `"}, "b_info": {"name": "x"}}` + "\x00"
	textConfig = "name = 'node-1'\nuuid = \"6C7B8F5E-2d0a-4a51-9c1e-0f6f3f1d7a01\"\n"
	xmlConfig  = "<domain type='xen' id='3'>\n  <name>node-1</name>\n  <uuid>" + uuid + "</uuid>\n  <metadata><name>x</name></metadata>\n</domain>\n"
	sxpConfig  = "(domain\n    (domid 3)\n    (on_crash restart)\n    (uuid " + uuid + ")\n    (bootloader_args '')\n    (name node-1)\n" +
		"    (image (linux (kernel '/a (b') (name x)))\n)\n"
)

// xlFile is an image of xl with that configuration.
func xlFile(flags int, config string) string {
	return words(xlMagic, 0x01020304, flags, 0, 4+len(config), len(config), config, "LibxlFmt...")
}

func libvirtFile(version int, config string) string {
	return words(libvirtMagic, version, len(config), strings.Repeat("\x00", 40), config, "LibxlFmt...")
}

func xendFile(config string) string {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(config)))
	return xendMagic + string(length[:]) + config + "..."
}

// images are files of each form that are whole.
var images = map[string]struct {
	file string
	want Header
}{
	"xl 4.6 and later":        {xlFile(3, jsonConfig), Header{"xl", "node-1", uuid}},
	"xl 4.5":                  {xlFile(1, jsonConfig), Header{"xl", "node-1", uuid}},
	"xl to 4.4":               {xlFile(0, textConfig), Header{"xl", "node-1", uuid}},
	"xl, text and stream v2":  {xlFile(2, textConfig), Header{"xl", "node-1", uuid}},
	"xl, text with words":     {xlFile(0, textConfig+"\nname='other'\n"), Header{"xl", "other", uuid}},
	"xl, text without a UUID": {xlFile(0, "name = 'node-1'\n"), Header{"xl", "node-1", ""}},
	"xl, more optional data":  {words(xlMagic, 0x01020304, 3, 8, 4+len(jsonConfig)+9, len(jsonConfig), jsonConfig), Header{"xl", "node-1", uuid}},
	"xl, of a later form":     {xlFile(7, jsonConfig), Header{"xl", "node-1", uuid}},
	"libvirt, later":          {libvirtFile(3, xmlConfig), Header{"libvirt", "node-1", uuid}},
	"libvirt 1":               {libvirtFile(1, xmlConfig), Header{"libvirt", "node-1", uuid}},
	"libvirt 2":               {libvirtFile(2, xmlConfig+"\x00"), Header{"libvirt", "node-1", uuid}},
	"libvirt, quoted":         {libvirtFile(2, "<domain><name>a&amp;b</name></domain>"), Header{"libvirt", "a&b", ""}},
	"xend":                    {xendFile(sxpConfig), Header{"xend", "node-1", uuid}},
	"xend, quoted":            {xendFile(`(domain (name "a \"b") (uuid x))`), Header{"xend", `a "b`, "x"}},
}

func TestReadHeader(t *testing.T) {
	t.Parallel()
	for name, test := range images {
		got, err := ReadHeader(iotest.OneByteReader(strings.NewReader(test.file)))
		if err != nil {
			t.Errorf("%s: ReadHeader: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: ReadHeader (-want +got):\n%s", name, diff)
		}
	}
}

func TestNotImage(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"", "x", "Xen saved domain"[:15], "xen saved domain, xl format", "name = 'node-1'\n and so on",
		"LinuxGuestRecorD....", "libvirt-xml\n \x00 \n....", "LibvirtQemudSave", " Xen saved domain, xl format\n \x00 \r",
	} {
		if h, err := ReadHeader(strings.NewReader(file)); !errors.Is(err, ErrNotImage) {
			t.Errorf("ReadHeader(%q) = %+v, %v, want ErrNotImage", file, h, err)
		}
	}
}

// What begins as an image, and cannot be understood, may be anybody's.
func TestNotUnderstood(t *testing.T) {
	t.Parallel()
	tests := []struct{ file, want string }{
		{"Xen saved domain, another format of 32 bytes and more, and still more of it", "header of an image of xl: magic"},
		{words(xlMagic, 0x04030201, 3, 0, 4, 0), "byte order 0x4030201 is not known"},
		{words(xlMagic, 0x01020304, 3, 0, 0), "it has no configuration"},
		{words(xlMagic, 0x01020304, 2, 0, 4, 0), "it has no name of a guest"},
		{words(xlMagic, 0x01020304, 3, 0, 8, 5, "12345"), "configuration of 5 bytes in 4"},
		{words(xlMagic, 0x01020304, 3, 0, -1, -5), "configuration of 4294967291 bytes, and at most"},
		{words(xlMagic, 0x01020304, 3, 0, 8, 4, "12"), "truncated header of an image of xl"},
		{words(xlMagic, 0x01020304), "truncated header of an image of xl"},
		{xlFile(3, "{\"c_info\": {\x00"), "header of an image of xl: configuration: unexpected end of JSON input"},
		{xlFile(3, "{\"c_info\": {\"uuid\": \"x\"}}\x00"), "it has no name of a guest"},
		{xlFile(3, textConfig), "header of an image of xl: configuration: invalid character"},
		{xlFile(0, "name = x"), `its name cannot be told: "x"`},
		{libvirtFile(1, "<domain><name>node-1</name>"), "header of an image of libvirt: configuration: XML syntax error"},
		{libvirtFile(1, "<domstatus><domain><name>node-1</name></domain></domstatus>"), "it has no name"},
		{libvirtMagic + "\x01", "truncated header of an image of libvirt"},
		{libvirtFile(1, xmlConfig)[:100], "truncated header of an image of libvirt"},
		{xendFile(sxpConfig)[:100], "truncated header of an image of xend"},
		{xendMagic, "truncated header of an image of xend"},
		{xendFile("(domain (name node-1)"), "a parenthesis is not closed"},
		{xendFile("(domain (name node-1)))"), "a parenthesis is closed that was not opened"},
		{xendFile("(domain (name 'node-1))"), "a quote is not closed"},
	}
	for _, test := range tests {
		h, err := ReadHeader(strings.NewReader(test.file))
		if err == nil || errors.Is(err, ErrNotImage) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ReadHeader(%q) = %+v, %v, want an error with %q", test.file, h, err, test.want)
		}
	}
}

// A file that cannot be read is no file that is none of an image.
func TestReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken disk")
	for name, test := range images {
		for _, at := range []int{0, 5, 20} {
			r := io.MultiReader(strings.NewReader(test.file[:at]), iotest.ErrReader(broken))
			if h, err := ReadHeader(r); !errors.Is(err, broken) {
				t.Errorf("%s, broken at %d: ReadHeader = %+v, %v, want %v", name, at, h, err, broken)
			}
		}
	}
}

// It reads the header alone: behind that are gigabytes.
func TestReadsNoMore(t *testing.T) {
	t.Parallel()
	r := bytes.NewReader([]byte(xlFile(3, jsonConfig)))
	if _, err := ReadHeader(r); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "LibxlFmt..." {
		t.Errorf("left are %q", rest)
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, test := range images {
		f.Add([]byte(test.file))
	}
	f.Add([]byte(words(xlMagic, 0x01020304, 3, 0, -1, -5)))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := ReadHeader(bytes.NewReader(file))
		if (err == nil) != (h.Name != "") || err != nil && h != (Header{}) {
			t.Errorf("ReadHeader = %+v, %v", h, err)
		}
		cut, cutErr := ReadHeader(bytes.NewReader(file[:len(file)/2]))
		if cutErr == nil && err == nil && cut != h {
			t.Errorf("half of the file is the image %+v, all of it %+v", cut, h)
		}
	})
}
