/* A leak hunt: the debug allocator around a program with four planted bugs.
 *
 *     leak_hunt [--stacks]
 *
 * The program keeps an address book, and its bugs are marked PLANTED. The allocator is the only
 * thing that changes for the hunt: the book asks for memory with GOO_ALLOC and GOO_FREE, which hand
 * on file and line, and does not know who answers.
 *
 * - A fault (overrun, double free, use after free) comes to the panic handler as one line of text.
 *   A program usually ends there. This one goes on: its handler leaves by longjmp, which is allowed
 *   because nothing has changed by then but that a block's damage is told once.
 * - Leaks come to a callback, one by one, when the allocator is destroyed.
 *
 * With --stacks the allocator keeps the stack of each allocation and free, and writes them out:
 * names where the program exports them, and offsets for `addr2line -fe leak_hunt OFFSET`.
 */
#include <goo/goo.h>

#include <setjmp.h>
#include <string.h>

enum { EXIT_MISUSE = 64 };

/* --- the program that is hunted in --- */

typedef struct Entry {
    struct Entry *next;
    char name[16];
    char *note; /* NULL: none */
    size_t note_size;
    int calls;
} Entry;

typedef struct Book {
    GooAllocator *memory;
    Entry *entries;
    Entry *last_called;
} Book;

static void book_add(Book *book, const char *name) {
    Entry *entry = GOO_ALLOC(book->memory, sizeof *entry);
    if (entry != NULL) {
        *entry = (Entry){.next = book->entries};
        strncat(entry->name, name, sizeof entry->name - 1);
        book->entries = entry;
    }
}

/* Where the pointer to an entry stands. */
static Entry **book_find(Book *book, const char *name) {
    Entry **link = &book->entries;
    while (*link != NULL && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static void book_annotate(Book *book, const char *name, const char *text) {
    Entry *entry = *book_find(book, name);
    size_t size = strlen(text) + 1;
    char *note = entry != NULL ? GOO_ALLOC(book->memory, size) : NULL;
    if (note != NULL) {
        memcpy(note, text, size);
        entry->note = note; /* PLANTED, a leak: what was noted before is not freed */
        entry->note_size = size;
    }
}

static void book_stress(Book *book, const char *name) {
    Entry *entry = *book_find(book, name);
    if (entry != NULL && entry->note != NULL) {
        memcpy(entry->note + strlen(entry->note), "!", 2); /* PLANTED, an overrun: no room for it */
    }
}

static void book_call(Book *book, const char *name) {
    Entry *entry = *book_find(book, name);
    if (entry != NULL) {
        book->last_called = entry;
        entry->calls++;
    }
}

static void book_call_again(Book *book) {
    if (book->last_called != NULL) {
        book->last_called->calls++; /* PLANTED, a use after free: book_remove should forget it */
    }
}

static void book_remove(Book *book, const char *name) {
    Entry **link = book_find(book, name);
    Entry *entry = *link;
    if (entry != NULL) {
        GOO_FREE(book->memory, entry->note, entry->note_size);
        *link = entry->next;
        GOO_FREE(book->memory, entry, sizeof *entry);
    }
}

static void book_forget_calls(Book *book) {
    GOO_FREE(book->memory, book->last_called, sizeof(Entry)); /* PLANTED, a double free */
    book->last_called = NULL;
}

/* --- the hunt --- */

typedef struct Hunt {
    jmp_buf go_on; /* where a fault leads; good while `catching` */
    bool catching, stacks;
    int overruns, double_frees, uses_after_free, leaks, others;
} Hunt;

/* The panic handler is one for the process, and so is what it works on. */
static Hunt hunt;

static void count_fault(const char *message) {
    int *kind = strstr(message, "(overrun)") != NULL          ? &hunt.overruns
                : strstr(message, "(double free)") != NULL    ? &hunt.double_frees
                : strstr(message, "(use after free)") != NULL ? &hunt.uses_after_free
                                                              : &hunt.others;
    ++*kind;
}

static void on_panic(const char *message) {
    count_fault(message);
    if (!hunt.stacks) { /* else the allocator has written it, with the stacks behind it */
        printf("  %s\n", message);
    }
    if (hunt.catching) {
        longjmp(hunt.go_on, 1);
    }
}

static void on_leak(const GooLeak *leak, void *user) {
    (void)user;
    hunt.leaks++;
    printf("  %zu bytes, \"%s\", allocated at %s:%d\n", leak->size, (const char *)leak->ptr,
           leak->file, leak->line);
}

/* Does something that may be found to be wrong. False: it was, and did not end. */
static bool survives(void (*action)(Book *), Book *book) {
    if (setjmp(hunt.go_on) != 0) {
        hunt.catching = false;
        return false;
    }
    hunt.catching = true;
    action(book);
    hunt.catching = false;
    return true;
}

static void use_book(Book *book) {
    book_add(book, "Ada");
    book_add(book, "Grace");
    book_annotate(book, "Ada", "engines");
    book_annotate(book, "Ada", "analytical engines");
    book_annotate(book, "Grace", "compilers");
    book_stress(book, "Grace");
    book_call(book, "Ada");
}

static void remove_grace(Book *book) {
    book_remove(book, "Grace");
}

static void remove_ada(Book *book) {
    book_remove(book, "Ada");
    book_call_again(book);
}

static void end_memory(Book *book) {
    goo_allocator_destroy(book->memory);
}

static void run(Book *book) {
    use_book(book);
    printf("Grace is removed:\n");
    if (!survives(remove_grace, book)) {
        printf("Grace is removed again, now that the damage was told:\n");
        survives(remove_grace, book);
    }
    printf("Ada is removed, and called:\n");
    survives(remove_ada, book);
    printf("calls are forgotten:\n");
    survives(book_forget_calls, book);
    printf("the end, with %zu blocks live:\n", goo_debug_live_count(book->memory));
    survives(end_memory, book);
}

int main(int argc, char **argv) {
    hunt.stacks = argc == 2 && strcmp(argv[1], "--stacks") == 0;
    if (argc > 1 && !hunt.stacks) {
        bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr, "Usage: leak_hunt [--stacks]\n"
                                        "  --stacks  shows the stack of each call, too\n");
        return help ? 0 : EXIT_MISUSE;
    }
    Book book = {NULL, NULL, NULL};
    GooDebugOptions options = {
        .name = "address book",
        .leak_mode = GOO_LEAK_CALLBACK,
        .on_leak = on_leak,
        .report = hunt.stacks ? stdout : NULL,
        .stack_depth = hunt.stacks ? 8 : GOO_DEBUG_NONE,
    };
    book.memory = goo_debug_allocator_create(NULL, &options);
    if (book.memory == NULL) {
        fprintf(stderr, "leak_hunt: out of memory\n");
        return 1;
    }
    goo_set_panic_handler(on_panic);
    run(&book);
    goo_set_panic_handler(NULL);
    printf("found: %d overrun, %d double free, %d use after free, %d leak\n", hunt.overruns,
           hunt.double_frees, hunt.uses_after_free, hunt.leaks);
    return hunt.others == 0 ? 0 : 1;
}
