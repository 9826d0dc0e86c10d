# Builds, installs and checks the plugins and the Dom0 side.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

GO        ?= go
DESTDIR   ?=
PREFIX    ?= /usr/local
PLUGINDIR ?= /usr/lib/stonith/plugins/external
AGENTDIR  ?= /usr/sbin
MANDIR    ?= $(PREFIX)/share/man/man8
DOCDIR    ?= $(PREFIX)/share/doc/stonith-plugins
VERSION   ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)

# What is built, by package: the program has the name of the package's folder.
PROGRAMS := ./plugins/xen ./plugins/xenapi ./plugins/ipmi ./dom0-helper ./crm-snippets
# What the cluster software finds, as program:type. cluster-glue has an external/ipmi.
PLUGINS  := xen:xen xenapi:xenapi ipmi:ipmi2
# The same programs as fence agents, as program:agent.
AGENTS   := xen:fence_xen xenapi:fence_xapi ipmi:fence_ipmi

BINARIES := $(addprefix bin/,$(notdir $(PROGRAMS)))
SOURCES  := go.mod go.sum $(shell find $(PROGRAMS) internal plugins/internal -name '*.go' ! -name '*_test.go' -o -path '*/metadata/*.xml')
LDFLAGS  := -s -w -buildid= -X main.version=$(VERSION)
LINTER   := bin/tools/golangci-lint

# The end to end tests make network namespaces, so they run as root, with root's own
# build cache: nothing in the user's home may come to belong to root.
AS_ROOT = if [ "$$(id -u)" -eq 0 ]; then as_root=; \
	elif command -v sudo >/dev/null; then as_root="sudo -E env HOME=/root PATH=$$PATH GOMODCACHE=$$($(GO) env GOMODCACHE)"; \
	else echo 'make $@: needs root, and there is no sudo' >&2; exit 1; fi; $$as_root

.PHONY: help build install install-plugins install-agents install-dom0 install-snippets man metadata demo test peers lint unit fuzz-smoke fuzz e2e test-xen bench clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the programs into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ $(PROGRAMS)
	@for agent in $(AGENTS); do ln -sf "$${agent%:*}" "bin/$${agent#*:}"; done

$(BINARIES): $(SOURCES)
	@$(MAKE) --no-print-directory build

install: install-plugins install-agents install-dom0 install-snippets ## install both sides (DESTDIR, PREFIX, PLUGINDIR)

install-plugins: $(BINARIES) ## install the plugins, on a cluster node
	install -d -m 0755 $(DESTDIR)$(PLUGINDIR)
	@for plugin in $(PLUGINS); do \
		(set -x; install -m 0755 "bin/$${plugin%:*}" "$(DESTDIR)$(PLUGINDIR)/$${plugin#*:}"); \
	done

install-agents: install-plugins ## install the fence agents: links to the plugins, and their man pages
	install -d -m 0755 $(DESTDIR)$(AGENTDIR) $(DESTDIR)$(MANDIR)
	@for agent in $(AGENTS); do \
		for plugin in $(PLUGINS); do \
			[ "$${plugin%:*}" = "$${agent%:*}" ] || continue; \
			(set -x; ln -sf "$(PLUGINDIR)/$${plugin#*:}" "$(DESTDIR)$(AGENTDIR)/$${agent#*:}"); \
		done; \
		(set -x; install -m 0644 "docs/man/$${agent#*:}.8" "$(DESTDIR)$(MANDIR)"); \
	done

man: build ## write the man pages of the fence agents anew
	@for agent in $(AGENTS); do "bin/$${agent#*:}" -o manpage >"docs/man/$${agent#*:}.8"; done

install-snippets: bin/crm-snippets ## install the program that writes a cluster's configuration, and its examples
	install -d -m 0755 $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(MANDIR) $(DESTDIR)$(DOCDIR)/crm-snippets
	install -m 0755 $< $(DESTDIR)$(PREFIX)/sbin
	install -m 0644 docs/man/crm-snippets.8 $(DESTDIR)$(MANDIR)
	install -m 0644 -t $(DESTDIR)$(DOCDIR)/crm-snippets crm-snippets/README.md crm-snippets/examples/*

metadata: build ## write anew what crm-snippets knows of the plugins
	@for plugin in $(PLUGINS); do "bin/$${plugin%:*}" getinfo-xml >"crm-snippets/internal/metadata/$${plugin#*:}.xml"; done
	@for agent in $(AGENTS); do "bin/$${agent#*:}" -o metadata >"crm-snippets/internal/metadata/$${agent#*:}.xml"; done

install-dom0: bin/dom0-helper ## install the helper, on a Dom0; its sudoers file only among the documents
	install -d -m 0755 $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(DOCDIR)/sudoers
	install -m 0755 $< $(DESTDIR)$(PREFIX)/sbin
	find sudoers -type f -exec install -m 0644 -t $(DESTDIR)$(DOCDIR)/sudoers {} +

demo: build ## show a node being fenced; needs nothing but Go
	$(GO) run ./tests/demo -bin bin

# What `make test` runs: all of it, whatever fails.
STAGES ?= peers lint unit fuzz-smoke e2e test-xen

test: ## run every check (STAGES), and name those that failed
	@[ -n "$(strip $(STAGES))" ] || { echo 'make $@: STAGES is empty: nothing was checked' >&2; exit 1; }; \
	failed=; \
	for stage in $(STAGES); do \
		echo "make $@: $$stage"; \
		start=$$SECONDS; \
		$(MAKE) --no-print-directory "$$stage" || failed+=" $$stage"; \
		echo "make $@: $$stage: $$((SECONDS - start)) s"; \
	done; \
	[ -z "$$failed" ] || { echo "make $@: failed:$$failed" >&2; exit 1; }; \
	echo "make $@: passed: $(STAGES)"

peers: ## install the programs that the tests talk to, where they are missing
	tests/install-peers.sh

lint: $(LINTER) ## check the source, the scripts, the man pages and the sudoers files
	$(LINTER) run --allow-serial-runners ./...
	cd tests/beds/goipmi && ../../../$(LINTER) run --allow-serial-runners -c ../../../.golangci.yml ./...
	find . -path ./bin -prune -o -name '*.sh' -exec shellcheck .ci/run {} +
	mandoc -T lint -W warning docs/man/*.8
	find sudoers -type f ! -name '*.*' -print0 | xargs -0 -r -n 1 visudo -cf

# Go knows best whether it is up to date, and with which Go it was built.
$(LINTER): FORCE
	cd tools && CGO_ENABLED=0 $(GO) build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# What takes longest begins first: plugins/xenapi.
unit: ## vet, and run the tests beside the code with the race detector
	$(GO) vet ./...
	packages=$$($(GO) list ./...); CGO_ENABLED=1 $(GO) test -race -timeout 30m -parallel 48 ./plugins/xenapi $$(grep -v -e '/tests$$' -e '/plugins/xenapi$$' <<<"$$packages")

fuzz-smoke: ## run every fuzz function for FUZZTIME (5s)
	@all=$$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' .) || { echo 'make $@: there is no fuzz function' >&2; exit 1; }; \
	xargs -P "$$(nproc)" -I {} env GO=$(GO) tests/fuzz.sh {} $(or $(FUZZTIME),5s) <<<"$${all//func /}"

fuzz: FUZZTIME ?= 1h
fuzz: fuzz-smoke ## run every fuzz function for FUZZTIME (1h)

# The package tests in parts, each on a machine of its own. Those with crm and pcs keep
# processors busy, so they are not beside those that time limits hurry. The scripts mostly
# wait, so two runs share them, beside both.
E2E_BUSY := ^Test(Agent|CheckAgrees|Installed|Pacemaker|Rehearse|Snippets|Tools)

# Some of their unit tests need root, and are skipped without it.
ROOT_TESTS := ./internal/trust/ ./plugins/internal/stonith/ ./dom0-helper/ ./dom0-helper/internal/saved/

e2e: ## run the tests with real peers, and the unit tests that need root (as root)
	@$(AS_ROOT) $(GO) test -parallel 48 $(ROOT_TESTS)
	@$(AS_ROOT) $(GO) test -c -o /dev/null ./tests/ # else each part compiles it
	@part() { $(AS_ROOT) env STONITH_TEST_SHARD="$$2" $(GO) test -count=1 -timeout 30m "$$1" ./tests/; }; \
	part '-run=^TestScripts$$' 1/2 & first=$$!; part '-run=^TestScripts$$' 2/2 & second=$$!; status=0; \
	for tests in '-run=$(E2E_BUSY)' '-skip=$(E2E_BUSY)|^TestScripts$$'; do part "$$tests" 1/1 || status=1; done; \
	wait $$first || status=1; wait $$second || status=1; exit $$status

# An emulated host keeps one processor busy: the scripts are shared by two runs, each with hosts of its own.
test-xen: ## run the scripts on real Xen hosts, in QEMU (as root)
	@$(AS_ROOT) tests/beds/xen/build.sh bin/xen-host
	@part() { $(AS_ROOT) env STONITH_TEST_XEN=$(CURDIR)/bin/xen-host STONITH_TEST_SHARD="$$1" $(GO) test -count=1 -timeout 120m -run '^TestXen$$' ./tests/; }; \
	part 1/2 & status=0; \
	part 2/2 || status=1; \
	wait $$! || status=1; exit $$status

bench: ## measure ours beside the peers (as root)
	@$(AS_ROOT) $(GO) test -run '^$$' -bench . -count=1 -timeout 60m ./tests/

clean: ## remove what was built
	rm -rf bin
