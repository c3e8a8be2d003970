// Both ends of the benchmark in one program: an upstream that answers like a provider, and clients that load whatever stands between.
//
//   wire upstream PORT
//   wire load PORT PATH KIND CLIENTS SECONDS [BODY-BYTES]     closed loop: each client sends its next request when it has its answer
//   wire stream PORT PATH CHUNKS MS CLIENTS RAMP-MS           each client reads one stream to its end
//
// The request header `x-bench` tells the upstream what to answer: chat, big:BYTES, stream:CHUNKS:MS. Every chunk of a stream carries the
// time it was sent, so the reader knows how long it was under way. One thread, epoll, loopback only. Results are one line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX (1 << 18)
static char scratch[READ_MAX];
static int poller;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static void watch(int fd, void *owner, uint32_t events, int op) {
    struct epoll_event e = {.events = events, .data.ptr = owner};
    epoll_ctl(poller, op, fd, &e);
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

typedef struct {
    uint64_t value, word;
    int fill;
} Hash;

// FNV-1a over words of eight bytes, the same however the bytes are cut: the generator must not be what is measured.
static void hash_add(Hash *h, const char *data, size_t size) {
    for (; h->fill && size; size--) {
        h->word |= (uint64_t)(unsigned char)*data++ << (8 * h->fill);
        if (++h->fill == 8) h->value = (h->value ^ h->word) * 1099511628211u, h->fill = 0;
    }
    for (uint64_t word; size >= 8; data += 8, size -= 8) {
        memcpy(&word, data, 8);
        h->value = (h->value ^ word) * 1099511628211u;
    }
    for (h->word = h->fill ? h->word : 0; size; size--) h->word |= (uint64_t)(unsigned char)*data++ << (8 * h->fill++);
}

static const char *field(const char *head, const char *name) {
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

// ---------------------------------------------------------------- upstream

typedef struct Conn {
    int fd, listening;
    char *in;
    size_t have, room;
    char *out;
    size_t out_at, out_size, out_room;
    uint64_t due;
    int chunks_left, chunk_no, interval_ms, heap_at;
} Conn;

static Conn **heap;
static int heap_size, heap_room;

static void heap_put(int at, Conn *c) { heap[at] = c, c->heap_at = at; }
static void sift(int at) {
    Conn *c = heap[at];
    while (at && heap[(at - 1) / 2]->due > c->due) heap_put(at, heap[(at - 1) / 2]), at = (at - 1) / 2;
    for (int child; (child = 2 * at + 1) < heap_size; at = child) {
        if (child + 1 < heap_size && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[child]->due >= c->due) break;
        heap_put(at, heap[child]);
    }
    heap_put(at, c);
}
static void heap_add(Conn *c) {
    if (heap_size == heap_room) heap = realloc(heap, sizeof *heap * (heap_room = heap_room * 2 + 64));
    heap[heap_size] = c, c->heap_at = heap_size++;
    sift(c->heap_at);
}
static void heap_drop(Conn *c) {
    int at = c->heap_at;
    if (at < 0) return;
    Conn *last = heap[--heap_size];
    c->heap_at = -1;
    if (at < heap_size) heap_put(at, last), sift(at);
}

static void conn_close(Conn *c) {
    heap_drop(c);
    close(c->fd);
    free(c->in), free(c->out), free(c);
}

static int conn_flush(Conn *c) {
    while (c->out_at < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) return -1;
            watch(c->fd, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return 0;
        }
        c->out_at += n;
    }
    if (c->out_size) c->out_at = c->out_size = 0;
    return 1;
}

static void conn_say(Conn *c, const char *data, size_t size) {
    if (c->out_size + size > c->out_room) c->out = realloc(c->out, c->out_room = (c->out_size + size) * 2);
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
}

static const char *ANSWER_START =
    "{\"id\":\"chatcmpl-bench000000000000000000000\",\"object\":\"chat.completion\",\"created\":1790000000,\"model\":\"gpt-4o-mini-2024-07-18\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"";
static const char *ANSWER_END =
    "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":83,"
    "\"total_tokens\":140,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}},"
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}";
static const char *WORDS = "The kettle sings before the water boils, and the leaves know. ";

static void say_document(Conn *c, size_t text) {
    char head[256];
    size_t size = strlen(ANSWER_START) + text + strlen(ANSWER_END);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_bench\r\nopenai-processing-ms: 12\r\n"
                     "Content-Length: %zu\r\n\r\n", size);
    conn_say(c, head, n);
    conn_say(c, ANSWER_START, strlen(ANSWER_START));
    for (size_t words = strlen(WORDS); text; text -= text < words ? text : words) conn_say(c, WORDS, text < words ? text : words);
    conn_say(c, ANSWER_END, strlen(ANSWER_END));
}

static void say_chunk(Conn *c, const char *data, int size) {
    char line[16];
    conn_say(c, line, snprintf(line, sizeof line, "%x\r\n", size));
    conn_say(c, data, size);
    conn_say(c, "\r\n", 2);
}

static void say_event(Conn *c) {
    char event[512];
    int n = snprintf(event, sizeof event,
                     "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"gpt-4o-mini-2024-07-18\","
                     "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"leaf %03d \"},\"finish_reason\":null}],\"t\":\"%020llu\"}\n\n",
                     c->chunk_no++ % 1000, (unsigned long long)now_ns());
    say_chunk(c, event, n);
    if (--c->chunks_left) return;
    const char *last =
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,"
        "\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":50,\"total_tokens\":107}}\n\n"
        "data: [DONE]\n\n";
    say_chunk(c, last, strlen(last));
    conn_say(c, "0\r\n\r\n", 5);
}

static int conn_request(Conn *c) {  // 1: answered, 0: not whole yet
    c->in[c->have] = 0;
    char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = end + 4 - c->in;
    char kept = *end;
    *end = 0;
    const char *length = field(c->in, "\r\ncontent-length:");
    const char *what = field(c->in, "\r\nx-bench: ");
    size_t body = length ? strtoull(length, NULL, 10) : 0;
    if (c->have < head + body) {
        *end = kept;
        return 0;
    }
    if (what && !strncmp(what, "stream:", 7)) {
        char *next;
        c->chunks_left = strtol(what + 7, &next, 10);
        c->interval_ms = *next == ':' ? atoi(next + 1) : 0;
        c->chunk_no = 0;
        const char *start = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        conn_say(c, start, strlen(start));
        c->due = now_ns() + c->interval_ms * 1000000ull;
        heap_add(c);
    } else {
        say_document(c, what && !strncmp(what, "big:", 4) ? strtoull(what + 4, NULL, 10) : 420);
    }
    memmove(c->in, c->in + head + body, c->have - head - body);
    c->have -= head + body;
    return 1;
}

static void run_upstream(int port) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&to, sizeof to) || listen(listener, 8192)) die("listen");
    Conn door = {.fd = listener, .listening = 1, .heap_at = -1};
    watch(listener, &door, EPOLLIN, EPOLL_CTL_ADD);
    struct epoll_event events[512];
    for (;;) {
        int wait = -1;
        if (heap_size) {
            uint64_t now = now_ns();
            wait = heap[0]->due > now ? (int)((heap[0]->due - now + 999999) / 1000000) : 0;
        }
        int n = epoll_wait(poller, events, 512, wait);
        for (int i = 0; i < n; i++) {
            Conn *c = events[i].data.ptr;
            if (c->listening) {
                for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    Conn *fresh = calloc(1, sizeof *fresh);
                    fresh->fd = fd, fresh->heap_at = -1;
                    watch(fd, fresh, EPOLLIN, EPOLL_CTL_ADD);
                }
                continue;
            }
            if (events[i].events & EPOLLOUT) {
                int sent = conn_flush(c);
                if (sent < 0) { conn_close(c); continue; }
                if (sent) watch(c->fd, c, EPOLLIN, EPOLL_CTL_MOD);
            }
            if (!(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            ssize_t got = recv(c->fd, scratch, READ_MAX, 0);
            if (got <= 0) {
                if (got < 0 && errno == EAGAIN) continue;
                conn_close(c);
                continue;
            }
            if (c->have + got + 1 > c->room) c->in = realloc(c->in, c->room = (c->have + got) * 2 + 1);
            memcpy(c->in + c->have, scratch, got);
            c->have += got;
            while (c->have && c->heap_at < 0 && conn_request(c)) {}
            if (conn_flush(c) < 0) conn_close(c);
        }
        for (uint64_t now = now_ns(); heap_size && heap[0]->due <= now;) {
            Conn *c = heap[0];
            heap_drop(c);
            say_event(c);
            if (c->chunks_left) c->due += c->interval_ms * 1000000ull, heap_add(c);
            if (conn_flush(c) < 0) conn_close(c);
        }
    }
}

// ---------------------------------------------------------------- load

enum { HEAD, BODY, SIZE_LINE, CHUNK, CHUNK_END, LAST_END };

typedef struct Client {
    int fd, state, status, chunked, streams, done;
    char head[8192], line[64];
    size_t head_have, line_have;
    uint64_t left, sent_at, first_at, bytes;
    Hash hash;
    char carry[32];
    int carried;
    size_t sent;
    int chunks;
} Client;

static char *request;
static size_t request_size;
static struct sockaddr_in target;
static uint64_t *samples, *waits, *firsts;
static size_t samples_have, samples_room, waits_have, waits_room, firsts_have;
static uint64_t expected;
static long good, wrong, bad_status, broken, reconnects;

static void keep(uint64_t **list, size_t *have, size_t *room, uint64_t value) {
    if (*have == *room) *list = realloc(*list, sizeof **list * (*room = *room * 2 + 4096));
    (*list)[(*have)++] = value;
}
static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}
static double part(uint64_t *list, size_t n, double p) { return n ? list[(size_t)(p * (n - 1))] / 1000.0 : 0; }

static void client_send(Client *c) {
    while (c->sent < request_size) {
        ssize_t n = send(c->fd, request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
        if (n <= 0) {
            watch(c->fd, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        c->sent += n;
    }
}

static void client_open(Client *c) {
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (void *)&target, sizeof target)) die("connect");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(c->fd, c, EPOLLIN, EPOLL_CTL_ADD);
}

static void client_begin(Client *c) {
    c->state = HEAD, c->head_have = c->line_have = c->sent = 0;
    c->hash = (Hash){14695981039346656037u, 0, 0}, c->bytes = 0, c->chunks = 0, c->first_at = 0, c->carried = 0;
    c->sent_at = now_ns();
    client_send(c);
}

static void body_bytes(Client *c, const char *data, size_t size) {
    if (!c->first_at) c->first_at = now_ns();
    c->bytes += size;
    if (!c->streams) {
        hash_add(&c->hash, data, size);
        return;
    }
    uint64_t now = now_ns();
    static char text[READ_MAX + 32];
    memcpy(text, c->carry, c->carried);
    memcpy(text + c->carried, data, size);
    const char *at = text, *end = text + c->carried + size;
    for (const char *found; (found = memmem(at, end - at, "\"t\":\"", 5)) && found + 25 <= end; at = found + 25) {
        char digits[21] = {0};
        memcpy(digits, found + 5, 20);
        keep(&waits, &waits_have, &waits_room, now - strtoull(digits, NULL, 10));
        c->chunks++;
    }
    c->carried = end - at < 24 ? end - at : 24;  // a time that is cut in two is found with the next bytes
    memcpy(c->carry, end - c->carried, c->carried);
}

static int client_take(Client *c, const char *data, size_t size) {  // 1: the answer is whole
    while (size) {
        if (c->state == HEAD) {
            size_t room = sizeof c->head - 1 - c->head_have, n = size < room ? size : room, before = c->head_have;
            memcpy(c->head + before, data, n);
            c->head[before + n] = 0;
            char *end = strstr(c->head, "\r\n\r\n");
            if (!end) {
                if (n == room) return -1;
                c->head_have += n;
                return 0;
            }
            size_t used = end + 4 - c->head - before;
            data += used, size -= used;
            *end = 0;
            c->status = atoi(c->head + 9);
            const char *length = field(c->head, "\r\ncontent-length:");
            c->chunked = field(c->head, "\r\ntransfer-encoding:") != NULL;
            c->left = length ? strtoull(length, NULL, 10) : 0;
            c->state = c->chunked ? SIZE_LINE : BODY;
            if (!c->chunked && !c->left) return 1;
        } else if (c->state == BODY || c->state == CHUNK) {
            size_t n = size < c->left ? size : c->left;
            body_bytes(c, data, n);
            data += n, size -= n, c->left -= n;
            if (!c->left) {
                if (c->state == BODY) return 1;
                c->state = CHUNK_END, c->left = 2;
            }
        } else if (c->state == CHUNK_END || c->state == LAST_END) {
            size_t n = size < c->left ? size : c->left;
            data += n, size -= n, c->left -= n;
            if (!c->left) {
                if (c->state == LAST_END) return 1;
                c->state = SIZE_LINE;
            }
        } else {
            char byte = *data++;
            size--;
            if (byte != '\n') {
                if (c->line_have + 1 < sizeof c->line) c->line[c->line_have++] = byte;
                continue;
            }
            c->line[c->line_have] = 0, c->line_have = 0;
            c->left = strtoull(c->line, NULL, 16);
            c->state = c->left ? CHUNK : LAST_END;
            if (!c->left) c->left = 2;
        }
    }
    return 0;
}

static void run_clients(int port, const char *path, const char *kind, int clients, double seconds, size_t body, int chunks, int ramp_ms) {
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *start = "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"system\",\"content\":\"You keep a tea shop.\"},{\"role\":\"user\",\"content\":\"";
    char end[64];
    snprintf(end, sizeof end, "\"}]%s}", chunks ? ",\"stream\":true" : "");
    if (body < 700) body = 700;
    size_t text = body - strlen(start) - strlen(end);
    const char *more = getenv("WIRE_HEADERS");  // whole lines, each with its CRLF
    request = malloc(body + 1024 + (more ? strlen(more) : 0));
    request_size = sprintf(request,
                           "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer sk-bench\r\nContent-Type: application/json\r\n"
                           "User-Agent: wire/1\r\nAccept: */*\r\nx-bench: %s\r\n%sContent-Length: %zu\r\n\r\n%s",
                           path, port, kind, more ? more : "", body, start);
    for (size_t words = strlen(WORDS); text; text -= text < words ? text : words) {
        size_t n = text < words ? text : words;
        memcpy(request + request_size, WORDS, n);
        request_size += n;
    }
    memcpy(request + request_size, end, strlen(end));
    request_size += strlen(end);

    Client *all = calloc(clients, sizeof *all);
    firsts = calloc(clients, sizeof *firsts);
    uint64_t begun = now_ns(), counted = begun + (chunks ? 0 : 500000000ull), ends = counted + (uint64_t)(seconds * 1e9);
    int opened = 0, finished = 0;
    struct epoll_event events[512];
    for (;;) {
        uint64_t now = now_ns();
        while (opened < clients && (!ramp_ms || now >= begun + (uint64_t)ramp_ms * 1000000ull * opened / clients)) {
            all[opened].streams = chunks;
            client_open(&all[opened]);
            client_begin(&all[opened++]);
        }
        if ((chunks && finished == clients) || now > ends) break;
        int n = epoll_wait(poller, events, 512, opened < clients ? 1 : 50);
        for (int i = 0; i < n; i++) {
            Client *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                watch(c->fd, c, EPOLLIN, EPOLL_CTL_MOD);
                client_send(c);
            }
            if (!(events[i].events & ~EPOLLOUT)) continue;
            ssize_t got = recv(c->fd, scratch, READ_MAX, 0);
            if (got < 0 && errno == EAGAIN) continue;
            int whole = got > 0 ? client_take(c, scratch, got) : -1;
            if (whole == 0) continue;
            now = now_ns();
            if (whole < 0) {
                broken++, reconnects++;
                close(c->fd);
                if (chunks) { finished++; continue; }
                client_open(c);
            } else if (c->status != 200) {
                bad_status++;
            } else if (chunks) {
                c->chunks == chunks ? good++ : wrong++;
                firsts[firsts_have++] = c->first_at - c->sent_at;
                close(c->fd);
                finished++;
                continue;
            } else {
                if (!expected) expected = c->hash.value ^ c->hash.word;
                if ((c->hash.value ^ c->hash.word) != expected) wrong++;
                if (now >= counted && now <= ends) good++, keep(&samples, &samples_have, &samples_room, now - c->sent_at);
            }
            client_begin(c);
        }
    }
    double took = (now_ns() - (chunks ? begun : counted)) / 1e9;
    qsort(samples, samples_have, sizeof *samples, by_value);
    qsort(waits, waits_have, sizeof *waits, by_value);
    qsort(firsts, firsts_have, sizeof *firsts, by_value);
    printf("{\"good\":%ld,\"wrong\":%ld,\"bad_status\":%ld,\"broken\":%ld,\"unfinished\":%d,\"seconds\":%.3f,\"rate\":%.1f,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"first_p50_us\":%.1f,\"first_p99_us\":%.1f,\"chunk_p50_us\":%.1f,\"chunk_p99_us\":%.1f,\"chunks\":%zu,\"hash\":\"%016llx\"}\n",
           good, wrong, bad_status, broken, chunks ? clients - finished : 0, took, good / took, part(samples, samples_have, .5),
           part(samples, samples_have, .99), part(firsts, firsts_have, .5), part(firsts, firsts_have, .99), part(waits, waits_have, .5),
           part(waits, waits_have, .99), waits_have, (unsigned long long)expected);
}

int main(int count, char **words) {
    poller = epoll_create1(0);
    if (count == 3 && !strcmp(words[1], "upstream")) run_upstream(atoi(words[2]));
    if (count >= 7 && !strcmp(words[1], "load"))
        return run_clients(atoi(words[2]), words[3], words[4], atoi(words[5]), atof(words[6]), count > 7 ? strtoull(words[7], NULL, 10) : 0, 0, 0), 0;
    if (count == 8 && !strcmp(words[1], "stream")) {
        char kind[64];
        snprintf(kind, sizeof kind, "stream:%s:%s", words[4], words[5]);
        double longest = atof(words[4]) * atof(words[5]) / 1000 + atof(words[7]) / 1000 + 30;
        return run_clients(atoi(words[2]), words[3], kind, atoi(words[6]), longest, 0, atoi(words[4]), atoi(words[7])), 0;
    }
    fprintf(stderr, "usage: wire upstream PORT | load PORT PATH KIND CLIENTS SECONDS [BODY-BYTES] | stream PORT PATH CHUNKS MS CLIENTS RAMP-MS\n");
    return 2;
}
