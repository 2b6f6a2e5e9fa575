# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# make            build/mmuscope
# make tests      the unit tests, with address and undefined-behaviour sanitizers
# make install    PREFIX=/usr/local DESTDIR=
# make clean      V=1 shows the commands, CC=clang builds with clang

VERSION	:= 0.1.0

CC	?= gcc
CLANG	?= clang
BPFTOOL	?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
PREFIX	?= /usr/local
DESTDIR	?=
BUILD	?= build

ifeq ($(V),1)
Q :=
say =
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))';
endif

LIBS	:= libbpf libelf zlib libdeflate jansson gsl libmd babeltrace2
# A reference of the unit tests only, see tests/unit/test_table.c.
UNIT_LIBS := smartcols
WARN	:= -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Werror
# gcc has it, clang before 19 does not.
signedness = $(shell $(1) -Werror -Wformat-signedness -E -x c /dev/null >/dev/null 2>&1 && \
	echo -Wformat-signedness)
CFLAGS	?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(WARN) -D_GNU_SOURCE -DMMUSCOPE_VERSION='"$(VERSION)"' \
	-I. -Isrc -I$(BUILD) $(shell $(PKG_CONFIG) --cflags $(LIBS)) $(CFLAGS)
SIGNEDNESS := $(call signedness,$(CC))
LDLIBS	:= $(shell $(PKG_CONFIG) --libs $(LIBS)) -lm
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 $(WARN) -Wno-missing-prototypes \
	-Wno-unused-parameter -I. -Ibpf -I/usr/include/$(shell $(CC) -print-multiarch)

# The programs of callbacks.bpf.c are loaded once for each driver callback (src/clones.c),
# those of the other parts once.
CORE_PARTS := state registry notifications migrations faults processes watch callbacks
SKELETONS := core core_record floor nouveau order subscribers
SRCS	:= $(sort $(wildcard src/*.c bench/*.c))
OBJS	:= $(SRCS:%.c=$(BUILD)/%.o)
BPF_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard bpf/*.bpf.c))
SKELS	:= $(SKELETONS:%=$(BUILD)/%.skel.h)

# Parses, formats and compares: no skeleton, so the tests can link it.
PLAIN	:= $(filter-out src/main.c src/capture.c src/session.c src/callbacks.c src/clones.c src/survey.c src/writes.c src/floor.c src/order.c src/records.c src/recorder_names.c src/probes_btf.c src/subscribers_walk.c src/cmd_%.c,$(wildcard src/*.c)) \
	src/cmd_diff.c src/cmd_report.c
UNIT	:= $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
SAN	:= -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CCS := gcc clang
UNIT_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(UNIT_LIBS))
UNIT_LDLIBS := $(shell $(PKG_CONFIG) --libs $(UNIT_LIBS)) -lcmocka

all: $(BUILD)/mmuscope

$(BUILD)/mmuscope: $(OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/src/%.o: src/%.c
$(BUILD)/bench/%.o: bench/%.c
$(OBJS): $(BUILD)/%.o: %.c Makefile | $(SKELS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(SIGNEDNESS) -MMD -MP -c -o $@ $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

# The same programs for sessions that record, see bpf/record.bpf.h.
$(BUILD)/bpf/record/%.bpf.o: bpf/%.bpf.c Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -DMMUSCOPE_RECORDS -MMD -MP -c -o $@ $<

# bpftool's linker adds one object to the other, so that each can have the
# global variables and maps of state.bpf.c as extern.
$(BUILD)/core.bpf.o: $(CORE_PARTS:%=$(BUILD)/bpf/%.bpf.o)
$(BUILD)/core_record.bpf.o: $(CORE_PARTS:%=$(BUILD)/bpf/record/%.bpf.o)
$(BUILD)/nouveau.bpf.o: $(BUILD)/bpf/state.bpf.o $(BUILD)/bpf/nouveau.bpf.o
$(BUILD)/floor.bpf.o: $(BUILD)/bpf/floor.bpf.o
$(BUILD)/order.bpf.o: $(BUILD)/bpf/order.bpf.o
$(BUILD)/subscribers.bpf.o: $(BUILD)/bpf/subscribers.bpf.o
$(SKELETONS:%=$(BUILD)/%.bpf.o):
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Unit tests: every plain object twice, once with each compiler, sanitized.
define unit_rules
$(BUILD)/unit-$(1)/%.o: %.c Makefile
	$$(call say,CC($(1)),$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(1) $$(ALL_CFLAGS) $$(UNIT_CFLAGS) -O1 $(SAN) -MMD -MP -c -o $$@ $$<
$(UNIT:%=$(BUILD)/unit-$(1)/%): $(BUILD)/unit-$(1)/%: $(BUILD)/unit-$(1)/tests/unit/%.o \
		$(PLAIN:%.c=$(BUILD)/unit-$(1)/%.o)
	$$(call say,LINK,$$@)
	$$(Q)$(1) $(SAN) -o $$@ $$^ $$(LDLIBS) $$(UNIT_LDLIBS)
endef
$(foreach cc,$(UNIT_CCS),$(eval $(call unit_rules,$(cc))))

# The handlers in a form that BPF_PROG_RUN can run, for tests/vm/synthetic.c.
$(BUILD)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/synthetic.bpf.o: $(BUILD)/bpf/state.bpf.o $(BUILD)/bpf/registry.bpf.o \
		$(BUILD)/tests/bpf/synthetic.bpf.o
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^
$(BUILD)/inner.bpf.o: $(BUILD)/tests/bpf/inner.bpf.o
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^
$(BUILD)/synthetic: $(BUILD)/synthetic.skel.h $(BUILD)/inner.skel.h tests/vm/synthetic.c $(BUILD)/src/drivers.o $(BUILD)/src/owners.o \
		Makefile
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(SIGNEDNESS) -MMD -MP -MF $@.d -o $@ tests/vm/synthetic.c \
		$(BUILD)/src/drivers.o $(BUILD)/src/owners.o $(LDLIBS)

# What the recorder can take, see docs/record-cost.md.
$(BUILD)/take_rate: tests/take_rate.c $(BUILD)/src/records.o $(PLAIN:%.c=$(BUILD)/%.o) Makefile
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(SIGNEDNESS) -MMD -MP -MF $@.d -o $@ $< $(filter %.o,$^) $(LDLIBS)

tests: $(BUILD)/synthetic $(BUILD)/take_rate $(foreach cc,$(UNIT_CCS),$(UNIT:%=$(BUILD)/unit-$(cc)/%))

MANS	:= $(wildcard man/*.1)
install: $(BUILD)/mmuscope
	install -D -m 755 $(BUILD)/mmuscope $(DESTDIR)$(PREFIX)/bin/mmuscope
	$(if $(MANS),install -d $(DESTDIR)$(PREFIX)/share/man/man1)
	$(if $(MANS),install -m 644 $(MANS) $(DESTDIR)$(PREFIX)/share/man/man1)

clean:
	rm -rf $(BUILD)/src $(BUILD)/bench $(BUILD)/bpf $(BUILD)/unit-* $(BUILD)/*.bpf.o \
		$(BUILD)/*.skel.h $(BUILD)/mmuscope $(BUILD)/tests $(BUILD)/synthetic* $(BUILD)/take_rate*

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d)

.PHONY: all tests install clean
.DELETE_ON_ERROR:
.SECONDARY:
