package image

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/stonith-plugins/stonith-plugins/dom0-helper/internal/guestconfig"
)

// parseJSON reads what libxl_domain_config_to_json makes of a guest, with the
// NUL that ends it in the file.
func parseJSON(config []byte) (name, uuid string, err error) {
	var parsed struct {
		Info struct {
			Name string `json:"name"`
			UUID string `json:"uuid"`
		} `json:"c_info"`
	}
	if err := json.Unmarshal(bytes.TrimRight(config, "\x00"), &parsed); err != nil {
		return "", "", fmt.Errorf("configuration: %w", err)
	}
	return parsed.Info.Name, parsed.Info.UUID, nil
}

// parseText reads a configuration file, with the settings behind it that were
// among the words of xl create.
func parseText(config []byte) (name, uuid string, err error) {
	name, uuid, err = guestconfig.Effective(bytes.TrimRight(config, "\x00"))
	if err != nil {
		return "", "", fmt.Errorf("configuration: %w", err)
	}
	return name, uuid, nil
}

// parseXML reads libvirt's description of a domain: name and uuid are elements
// right below the outermost one.
func parseXML(config []byte) (name, uuid string, err error) {
	decoder := xml.NewDecoder(bytes.NewReader(bytes.TrimRight(config, "\x00")))
	decoder.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("encoding %q", charset)
	}
	var path []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return name, uuid, nil
		}
		if err != nil {
			return "", "", fmt.Errorf("configuration: %w", errOf(err))
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if len(path) == 2 && path[0] == "domain" && path[1] == "name" {
				name += string(token)
			}
			if len(path) == 2 && path[0] == "domain" && path[1] == "uuid" {
				uuid += string(token)
			}
		}
	}
}

// errOf keeps an end that comes too early inside a configuration from being
// taken for that of the file.
func errOf(err error) error { return errors.New(err.Error()) }
