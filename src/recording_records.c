// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recording_records.h"

#include <babeltrace2/babeltrace.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctf.h"

/*
 * The graph has a source for each folder and one sink, ours, with a port for each stream.
 * The sink sorts them: a muxer between them is a third of the time, and leaves open which
 * of two CPUs comes first where both have the same time.
 */
struct port {
	bt_self_component_port_input *input;
	bt_message_iterator *iterator;
	bt_message_array_const batch; /* the iterator's; its messages are ours to put */
	uint64_t count, at;
	bool ended;
	bool half;		/* of a CTF_FOLDED the callback was given: `rest` is next */
	__u64 kind;		/* of the event at batch[at]: CTF_FOLDED for both of these */
	__u64 id;		/* of that event */
	__u64 ns;		/* of the record that is next */
	__u64 cpu;
	struct mmuscope_record rest;
};

struct recording_records {
	bt_graph *graph;
	const bt_plugin *ctf;
	struct port *ports;
	size_t port_count;
	size_t want;		/* the port whose next batch the sink shall take */
	struct port **heap;	/* ports that have a record, the first one's is next */
	size_t heap_count;
	bool started;
	union {
		struct mmuscope_record head;
		struct mmuscope_record_migration migration;
		struct mmuscope_record_pages pages;
		__u8 bytes[RECORD_SLOTS_MAX * sizeof(struct mmuscope_record)];
	} rec;
};

static bt_component_class_initialize_method_status
sink_initialize(bt_self_component_sink *self, bt_self_component_sink_configuration *config,
		const bt_value *params, void *data)
{
	struct recording_records *r = data;

	(void)config;
	(void)params;
	bt_self_component_set_data(bt_self_component_sink_as_self_component(self), r);
	for (size_t i = 0; i < r->port_count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "in%zu", i);
		if (bt_self_component_sink_add_input_port(self, name, NULL, &r->ports[i].input) !=
		    BT_SELF_COMPONENT_ADD_PORT_STATUS_OK)
			return BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_MEMORY_ERROR;
	}
	return BT_COMPONENT_CLASS_INITIALIZE_METHOD_STATUS_OK;
}

static bt_component_class_sink_graph_is_configured_method_status
sink_configured(bt_self_component_sink *self)
{
	struct recording_records *r =
		bt_self_component_get_data(bt_self_component_sink_as_self_component(self));

	for (size_t i = 0; i < r->port_count; i++)
		if (bt_message_iterator_create_from_sink_component(self, r->ports[i].input,
								   &r->ports[i].iterator) !=
		    BT_MESSAGE_ITERATOR_CREATE_FROM_SINK_COMPONENT_STATUS_OK)
			return BT_COMPONENT_CLASS_SINK_GRAPH_IS_CONFIGURED_METHOD_STATUS_ERROR;
	return BT_COMPONENT_CLASS_SINK_GRAPH_IS_CONFIGURED_METHOD_STATUS_OK;
}

static bt_component_class_sink_consume_method_status sink_consume(bt_self_component_sink *self)
{
	struct recording_records *r =
		bt_self_component_get_data(bt_self_component_sink_as_self_component(self));
	struct port *p = &r->ports[r->want];

	p->at = 0;
	p->count = 0;
	switch (bt_message_iterator_next(p->iterator, &p->batch, &p->count)) {
	case BT_MESSAGE_ITERATOR_NEXT_STATUS_OK:
		return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_OK;
	case BT_MESSAGE_ITERATOR_NEXT_STATUS_END:
		/* Not the sink's own end: other ports have more. */
		p->ended = true;
		return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_OK;
	case BT_MESSAGE_ITERATOR_NEXT_STATUS_MEMORY_ERROR:
		return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_MEMORY_ERROR;
	default:
		return BT_COMPONENT_CLASS_SINK_CONSUME_METHOD_STATUS_ERROR;
	}
}

/* The libraries' errors carry a list of causes, to be freed. */
static int failed(void)
{
	bt_current_thread_clear_error();
	return -EIO;
}

static int fetch(struct recording_records *r, struct port *p)
{
	r->want = (size_t)(p - r->ports);
	switch (bt_graph_run_once(r->graph)) {
	case BT_GRAPH_RUN_ONCE_STATUS_OK:
		return 0;
	case BT_GRAPH_RUN_ONCE_STATUS_MEMORY_ERROR:
		failed();
		return -ENOMEM;
	default:
		return failed();
	}
}

static void drop_batch(struct port *p)
{
	for (; p->at < p->count; p->at++)
		bt_message_put_ref(p->batch[p->at]);
}

/* The info stream is read elsewhere. */
static bool is_info(const bt_message *message)
{
	const bt_stream *stream = bt_message_stream_beginning_borrow_stream_const(message);

	return bt_stream_class_get_id(bt_stream_borrow_class_const(stream)) == CTF_CLASS_INFO;
}

/* The time of the event, less what lies between the two that it may hold. */
static void look_at(struct port *p, const bt_message *message)
{
	const bt_event *event = bt_message_event_borrow_event_const(message);
	const bt_field *payload;

	p->id = bt_event_class_get_id(bt_event_borrow_class_const(event));
	p->kind = p->id == CTF_FOLDED_PLAIN ? CTF_FOLDED : p->id;
	p->ns = bt_clock_snapshot_get_value(
		bt_message_event_borrow_default_clock_snapshot_const(message));
	if (p->kind != CTF_FOLDED)
		return;
	payload = bt_event_borrow_payload_field_const(event);
	/* callback_before is the last. */
	p->ns -= bt_field_integer_unsigned_get_value(
		bt_field_structure_borrow_member_field_by_index_const(
			payload, bt_field_class_structure_get_member_count(
					 bt_field_borrow_class_const(payload)) - 1));
}

/* Goes on to the next record of a port. Returns 1, 0 where it has none, or -errno. */
static int seek(struct recording_records *r, struct port *p)
{
	while (!p->ended) {
		const bt_message *message;

		if (p->at == p->count) {
			int err = fetch(r, p);

			if (err)
				return err;
			continue;
		}
		message = p->batch[p->at];
		switch (bt_message_get_type(message)) {
		case BT_MESSAGE_TYPE_EVENT:
			look_at(p, message);
			return 1;
		case BT_MESSAGE_TYPE_STREAM_BEGINNING:
			p->cpu = bt_stream_get_id(
				bt_message_stream_beginning_borrow_stream_const(message));
			if (is_info(message)) {
				drop_batch(p);
				p->ended = true;
				continue;
			}
			break;
		default:
			break;
		}
		bt_message_put_ref(message);
		p->at++;
	}
	return 0;
}

static bool is_before(const struct port *a, const struct port *b)
{
	if (a->ns != b->ns)
		return a->ns < b->ns;
	/* Of one CPU's files the ports lie in their order. */
	return a->cpu != b->cpu ? a->cpu < b->cpu : a < b;
}

static void sift_down(struct recording_records *r, size_t i)
{
	for (;;) {
		size_t first = i;
		struct port *swap;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < r->heap_count && is_before(r->heap[child], r->heap[first]))
				first = child;
		if (first == i)
			return;
		swap = r->heap[i];
		r->heap[i] = r->heap[first];
		r->heap[first] = swap;
		i = first;
	}
}

static int start(struct recording_records *r)
{
	for (size_t i = 0; i < r->port_count; i++) {
		int err = seek(r, &r->ports[i]);

		if (err < 0)
			return err;
		if (err)
			r->heap[r->heap_count++] = &r->ports[i];
	}
	for (size_t i = r->heap_count / 2; i-- > 0;)
		sift_down(r, i);
	r->started = true;
	return 0;
}

/* Behind the record that was given last. */
static int advance(struct recording_records *r)
{
	struct port *p = r->heap[0];
	int err;

	if (p->kind == CTF_FOLDED && !p->half) {
		p->half = true;
		p->ns = p->rest.ns;
		sift_down(r, 0);
		return 0;
	}
	p->half = false;
	bt_message_put_ref(p->batch[p->at++]);
	err = seek(r, p);
	if (err < 0)
		return err;
	if (!err)
		r->heap[0] = r->heap[--r->heap_count];
	sift_down(r, 0);
	return 0;
}

static __u64 number(const bt_field *field, const struct ctf_field *f)
{
	/* An enumeration's field is one of an integer. */
	return f->type == CTF_SIGNED ? (__u64)bt_field_integer_signed_get_value(field) :
				       bt_field_integer_unsigned_get_value(field);
}

static void decode(struct recording_records *r, const bt_message *message, __u64 id)
{
	const bt_event *event = bt_message_event_borrow_event_const(message);
	const bt_field *payload = bt_event_borrow_payload_field_const(event);
	/* In bits of the record, from one field to the next. */
	size_t at = 8 * offsetof(struct mmuscope_record, event);
	const struct ctf_record *record = &ctf_records[id];
	size_t member = 0;

	memset(&r->rec, 0, (record->slots + (id >= CTF_FOLDED)) * sizeof(r->rec.head));
	for (size_t i = 0; i < record->field_count; i++) {
		const struct ctf_field *f = &record->fields[i];
		const bt_field *field;
		__u64 value;

		if (at == 8 * offsetof(struct mmuscope_record, ns))
			at = 8 * offsetof(struct mmuscope_record, from);
		if (!f->name) {
			at += f->bits;
			continue;
		}
		field = bt_field_structure_borrow_member_field_by_index_const(payload, member++);
		for (__u64 n = 0; n < f->count; n++)
			r->rec.bytes[at / 8 + n] = (__u8)bt_field_integer_unsigned_get_value(
				bt_field_array_borrow_element_field_by_index_const(field, n));
		if (f->count)
			continue;
		value = number(field, f);
		/* A copy whose size is not known here is a call, twelve times a record. */
		switch (f->bits) {
		case 64:
			memcpy(&r->rec.bytes[at / 8], &value, 8);
			break;
		case 32:
			memcpy(&r->rec.bytes[at / 8], &value, 4);
			break;
		default:
			r->rec.bytes[at / 8] |= (__u8)(value << at % 8);
		}
		at += f->bits;
	}
}

/* The callback now, and the notification as the port's next. */
static void unfold(struct recording_records *r, struct port *p)
{
	struct mmuscope_record *rec = &r->rec.head;
	struct ctf_callback callback;

	memcpy(&callback, r->rec.bytes + sizeof(*rec), sizeof(callback));
	p->rest = *rec;
	p->rest.kind = RECORD_NOTIFICATION;
	p->rest.flags &= (__u8)~CTF_OF_CALLBACK;
	p->rest.ns += callback.before;
	rec->kind = RECORD_CALLBACK;
	rec->flags &= CTF_OF_CALLBACK;
	rec->flags |= callback.took < 0 ? RECORD_UNTIMED : 0;
	rec->what = callback.what;
	rec->took = callback.took < 0 ? 0 : (__u32)callback.took;
}

/* The next record of a port. Returns false where that is none. */
static bool give(struct recording_records *r, struct port *p)
{
	if (p->half) {
		r->rec.head = p->rest;
		return true;
	}
	if (p->id == RECORD_NONE || p->id >= CTF_EVENTS)
		return false;
	decode(r, p->batch[p->at], p->id);
	r->rec.head.kind = (__u8)p->kind;
	r->rec.head.ns = p->ns;
	if (p->kind == CTF_FOLDED)
		unfold(r, p);
	return true;
}

int recording_records__next(struct recording_records *r, const struct mmuscope_record **rec)
{
	int err = r->started ? 0 : start(r);

	if (!err && r->rec.head.kind && r->heap_count)
		err = advance(r);
	while (!err && r->heap_count) {
		if (give(r, r->heap[0])) {
			*rec = &r->rec.head;
			return 1;
		}
		err = advance(r);
	}
	return err;
}

static int add_source(struct recording_records *r, const bt_component_class_source *class,
		      const char *folder, size_t i, const bt_component_source **source)
{
	bt_value *params = bt_value_map_create(), *inputs = NULL;
	char name[32];
	int err = params ? 0 : -ENOMEM;

	snprintf(name, sizeof(name), "source%zu", i);
	if (!err && (bt_value_map_insert_empty_array_entry(params, "inputs", &inputs) ||
		     bt_value_array_append_string_element(inputs, folder)))
		err = -ENOMEM;
	if (!err && bt_graph_add_source_component(r->graph, class, name, params,
						  BT_LOGGING_LEVEL_NONE, source))
		err = failed();
	bt_value_put_ref(params);
	return err;
}

static int add_sink(struct recording_records *r, const bt_component_sink **sink)
{
	bt_component_class_sink *class = bt_component_class_sink_create("mmuscope", sink_consume);
	int err = 0;

	if (!class)
		return -ENOMEM;
	if (bt_component_class_sink_set_initialize_method(class, sink_initialize) ||
	    bt_component_class_sink_set_graph_is_configured_method(class, sink_configured) ||
	    bt_graph_add_sink_component_with_initialize_method_data(
		    r->graph, class, "sink", NULL, r, BT_LOGGING_LEVEL_NONE, sink))
		err = failed();
	bt_component_class_sink_put_ref(class);
	return err;
}

static int connect_ports(struct recording_records *r, const bt_component_source *const *sources,
			 size_t count)
{
	const bt_component_sink *sink;
	size_t next = 0;
	int err;

	for (size_t i = 0; i < count; i++)
		r->port_count += bt_component_source_get_output_port_count(sources[i]);
	r->ports = calloc(r->port_count, sizeof(*r->ports));
	r->heap = calloc(r->port_count, sizeof(struct port *));
	if (!r->ports || !r->heap)
		return -ENOMEM;
	err = add_sink(r, &sink);
	for (size_t i = 0; i < count && !err; i++) {
		const size_t ports = bt_component_source_get_output_port_count(sources[i]);

		for (size_t p = 0; p < ports && !err; p++)
			if (bt_graph_connect_ports(
				    r->graph,
				    bt_component_source_borrow_output_port_by_index_const(
					    sources[i], p),
				    bt_component_sink_borrow_input_port_by_index_const(sink,
										       next++),
				    NULL))
				err = failed();
	}
	return err;
}

/*
 * Only the plugin "ctf", from where the library lies: bt_plugin_find() loads all that
 * there are to find one, and nobody's environment shall decide what is loaded here.
 */
static int load_plugin(struct recording_records *r)
{
	const bt_plugin_set *set = NULL;
	char path[PATH_MAX] = "";
	Dl_info where;

	if (dladdr((void *)bt_graph_create, &where) && where.dli_fname) {
		const char *slash = strrchr(where.dli_fname, '/');

		if (slash)
			snprintf(path, sizeof(path), "%.*s/babeltrace2/plugins/"
				 "babeltrace-plugin-ctf.so",
				 (int)(slash - where.dli_fname), where.dli_fname);
	}
	if (path[0] && !bt_plugin_find_all_from_file(path, BT_FALSE, &set)) {
		r->ctf = bt_plugin_set_borrow_plugin_by_index_const(set, 0);
		bt_plugin_get_ref(r->ctf);
		bt_plugin_set_put_ref(set);
		return 0;
	}
	failed();
	/* A library that was built to have its plugins elsewhere knows where. */
	if (bt_plugin_find("ctf", BT_FALSE, BT_FALSE, BT_TRUE, BT_FALSE, BT_FALSE, &r->ctf)) {
		failed();
		return -ENOENT;
	}
	return 0;
}

static int build(struct recording_records *r, const char *const *folders, size_t count)
{
	const bt_component_source **sources = calloc(count, sizeof(*sources));
	const bt_component_class_source *class = NULL;
	int err = sources ? 0 : -ENOMEM;

	bt_logging_set_global_level(BT_LOGGING_LEVEL_NONE);
	if (!err)
		err = load_plugin(r);
	if (!err)
		class = bt_plugin_borrow_source_component_class_by_name_const(r->ctf, "fs");
	if (!err && !class)
		err = -ENOENT;
	if (!err) {
		r->graph = bt_graph_create(0);
		err = r->graph ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < count && !err; i++)
		err = add_source(r, class, folders[i], i, &sources[i]);
	if (!err)
		err = connect_ports(r, sources, count);
	free(sources);
	return err;
}

int recording_records__open(struct recording_records **out, const char *const *folders,
			    size_t count)
{
	struct recording_records *r = calloc(1, sizeof(*r));
	int err = r ? build(r, folders, count) : -ENOMEM;

	*out = NULL;
	if (err)
		recording_records__close(r);
	else
		*out = r;
	return err;
}

void recording_records__close(struct recording_records *r)
{
	if (!r)
		return;
	for (size_t i = 0; r->ports && i < r->port_count; i++) {
		drop_batch(&r->ports[i]);
		bt_message_iterator_put_ref(r->ports[i].iterator);
	}
	bt_graph_put_ref(r->graph);
	bt_plugin_put_ref(r->ctf);
	free(r->ports);
	free(r->heap);
	free(r);
}
