/* A tokenizer and parser over an arena: everything that it makes ends in one call.
 *
 *     tokenizer [FILE]
 *
 * It reads a small language, prints each statement as a tree, and says what that took. What the
 * arena gives here:
 * - The text, the tokens and the trees need no free, so no function has a clean-up of its own, and
 *   an error leaves by longjmp from any depth without a leak.
 * - "(a, b) => a + b" is a function and "(a)" is not, which shows only after the parenthesis. The
 *   parser marks the arena, guesses a function, and rewinds when it was wrong: what the wrong guess
 *   built is given back, whatever it was.
 * - The text that is read grows in place, since it is the arena's last block.
 */
#include <goo/goo.h>

#include <errno.h>
#include <setjmp.h>
#include <string.h>

enum { DEPTH_MAX = 500, EXIT_MISUSE = 64 };

static const char builtin_text[] =
    "# Statements end in ';'. Strings, numbers and names are values.\n"
    "tax = 0.19;\n"
    "net = (price) * (1 + tax);\n"
    "total = (a, b) => a + b * (1 - tax);\n"
    "constant = () => 42;\n"
    "compose = (f, g) => (x) => f(g(x));\n"
    "print(\"total\", (total)(100, (200)), compose(total, print));\n";

typedef enum TokenKind { TOKEN_NAME, TOKEN_NUMBER, TOKEN_STRING, TOKEN_SIGN, TOKEN_END } TokenKind;

typedef struct Token {
    const char *start; /* in the text, not terminated */
    size_t length;
    struct Token *next;
    TokenKind kind;
    int line;
} Token;

/* A tree: a leaf is a word of the text, any other node a word and its children. */
typedef struct Node {
    const char *start;
    size_t length;
    struct Node *children, *next;
    int height;
} Node;

typedef struct Parser {
    GooAllocator *arena;
    const Token *token; /* the next one */
    int depth;
    size_t guesses, wrong_guesses, bytes_rewound;
    jmp_buf on_error; /* the way out of any depth */
} Parser;

/* Says what is wrong at the line of a token (NULL: at none) and leaves. */
static _Noreturn void fail(Parser *p, const Token *where, const char *message) {
    fprintf(stderr, "tokenizer: ");
    if (where != NULL) {
        fprintf(stderr, "line %d: ", where->line);
    }
    fprintf(stderr, "%s\n", message);
    longjmp(p->on_error, 1);
}

static void *checked(Parser *p, void *block) {
    if (block == NULL) {
        fail(p, NULL, "out of memory");
    }
    return block;
}

/* --- tokens --- */

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

/* Skips blanks and comments; counts lines. */
static const char *skip_blank(const char *at, int *line) {
    while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n' || *at == '#') {
        if (*at == '#') {
            at += strcspn(at, "\n");
        } else {
            *line += *at++ == '\n';
        }
    }
    return at;
}

/* The token at a place that is no blank. */
static Token scan_token(Parser *p, const char *at, int line) {
    Token token = {at, 1, NULL, TOKEN_SIGN, line};
    if (*at == '\0') {
        token.kind = TOKEN_END;
        token.length = 0;
    } else if (strchr(LETTERS, *at) != NULL) {
        token.kind = TOKEN_NAME;
        token.length = strspn(at, LETTERS DIGITS);
    } else if (strchr(DIGITS, *at) != NULL) {
        token.kind = TOKEN_NUMBER;
        token.length = strspn(at, DIGITS ".");
    } else if (*at == '"') {
        token.kind = TOKEN_STRING;
        token.length = 1 + strcspn(at + 1, "\"\n") + 1;
        if (at[token.length - 1] != '"') {
            fail(p, &token, "a string without an end");
        }
    } else if (strncmp(at, "=>", 2) == 0) {
        token.length = 2;
    } else if (strchr("=+-*/(),;", *at) == NULL) {
        fail(p, &token, "a character that means nothing here");
    }
    return token;
}

/* The list of all tokens, the last of which is TOKEN_END. */
static Token *scan(Parser *p, const char *text) {
    Token *first = NULL;
    Token **tail = &first;
    int line = 1;
    TokenKind kind;
    do {
        text = skip_blank(text, &line);
        Token *token = checked(p, GOO_NEW(p->arena, Token));
        *token = scan_token(p, text, line);
        text += token->length;
        kind = token->kind;
        *tail = token;
        tail = &token->next;
    } while (kind != TOKEN_END);
    return first;
}

/* --- trees --- */

static Node *node_new(Parser *p, const char *start, size_t length) {
    Node *node = checked(p, GOO_NEW(p->arena, Node));
    *node = (Node){.start = start, .length = length, .height = 1};
    return node;
}

/* Adds a child behind the last one, whose place is *tail. */
static void node_add(Parser *p, Node *node, Node ***tail, Node *child) {
    if (node->height <= child->height) {
        node->height = child->height + 1;
    }
    if (node->height > DEPTH_MAX) {
        fail(p, p->token, "nested too deeply");
    }
    **tail = child;
    *tail = &child->next;
}

static bool token_is(const Token *token, const char *word) {
    return token->length == strlen(word) && memcmp(token->start, word, token->length) == 0;
}

static const Token *advance(Parser *p) {
    const Token *token = p->token;
    if (token->kind != TOKEN_END) {
        p->token = token->next;
    }
    return token;
}

static bool accept(Parser *p, const char *sign) {
    bool found = token_is(p->token, sign);
    if (found) {
        advance(p);
    }
    return found;
}

static void expect(Parser *p, const char *sign) {
    if (!accept(p, sign)) {
        char message[32];
        snprintf(message, sizeof message, "'%s' is missing", sign);
        fail(p, p->token, message);
    }
}

static Node *parse_expression(Parser *p);

/* "(a, b) =>", whose node has the names as children so far; NULL if that is not what stands here.
 */
static Node *parse_parameters(Parser *p, Node ***out_tail) {
    Node *function = node_new(p, "=>", 2);
    *out_tail = &function->children;
    if (!accept(p, "(")) {
        return NULL;
    }
    while (p->token->kind == TOKEN_NAME) {
        const Token *name = advance(p);
        node_add(p, function, out_tail, node_new(p, name->start, name->length));
        if (!accept(p, ",")) {
            break;
        }
    }
    return accept(p, ")") && accept(p, "=>") ? function : NULL;
}

/* Guesses that a function stands here. A wrong guess leaves nothing behind: NULL. */
static Node *guess_function(Parser *p) {
    GooArenaMark mark = goo_arena_mark(p->arena);
    size_t bytes = goo_get_alloc_stats(p->arena).bytes_allocated;
    const Token *start = p->token;
    Node **tail;
    Node *function = parse_parameters(p, &tail);
    p->guesses++;
    if (function != NULL) {
        node_add(p, function, &tail, parse_expression(p));
        return function;
    }
    p->wrong_guesses++;
    p->bytes_rewound += goo_get_alloc_stats(p->arena).bytes_allocated - bytes;
    p->token = start;
    goo_arena_rewind(p->arena, mark);
    return NULL;
}

static Node *parse_value(Parser *p) {
    if (accept(p, "(")) {
        Node *inner = parse_expression(p);
        expect(p, ")");
        return inner;
    }
    const Token *token = advance(p);
    if (token->kind == TOKEN_SIGN || token->kind == TOKEN_END) {
        fail(p, token, "a value is missing");
    }
    return node_new(p, token->start, token->length);
}

/* value "(" arguments ")" ... */
static Node *parse_call(Parser *p) {
    Node *value = parse_value(p);
    while (accept(p, "(")) {
        Node *call = node_new(p, "call", 4);
        Node **tail = &call->children;
        node_add(p, call, &tail, value);
        if (!accept(p, ")")) {
            do {
                node_add(p, call, &tail, parse_expression(p));
            } while (accept(p, ","));
            expect(p, ")");
        }
        value = call;
    }
    return value;
}

/* Operands of one rank with its two operators between them, grouped from the left. */
static Node *parse_chain(Parser *p, const char *one, const char *other,
                         Node *(*operand)(Parser *)) {
    Node *left = operand(p);
    while (token_is(p->token, one) || token_is(p->token, other)) {
        const Token *sign = advance(p);
        Node *both = node_new(p, sign->start, sign->length);
        Node **tail = &both->children;
        node_add(p, both, &tail, left);
        node_add(p, both, &tail, operand(p));
        left = both;
    }
    return left;
}

static Node *parse_product(Parser *p) {
    return parse_chain(p, "*", "/", parse_call);
}

static Node *parse_expression(Parser *p) {
    if (++p->depth > DEPTH_MAX) {
        fail(p, p->token, "nested too deeply");
    }
    Node *node = token_is(p->token, "(") ? guess_function(p) : NULL;
    if (node == NULL) {
        node = parse_chain(p, "+", "-", parse_product);
    }
    p->depth--;
    return node;
}

/* [name "="] expression ";" */
static Node *parse_statement(Parser *p) {
    Node *node;
    if (p->token->kind == TOKEN_NAME && token_is(p->token->next, "=")) {
        const Token *name = advance(p);
        const Token *sign = advance(p);
        node = node_new(p, sign->start, sign->length);
        Node **tail = &node->children;
        node_add(p, node, &tail, node_new(p, name->start, name->length));
        node_add(p, node, &tail, parse_expression(p));
    } else {
        node = parse_expression(p);
    }
    expect(p, ";");
    return node;
}

static void print_tree(const Node *node) {
    printf("%s%.*s", node->children != NULL ? "(" : "", (int)node->length, node->start);
    for (const Node *child = node->children; child != NULL; child = child->next) {
        putchar(' ');
        print_tree(child);
    }
    printf("%s", node->children != NULL ? ")" : "");
}

/* --- the program --- */

/* All of a file, and a 0. */
static const char *read_text(Parser *p, FILE *file) {
    size_t length = 0, size = 4096;
    char *text = checked(p, goo_memory_alloc_with(p->arena, size));
    while ((length += fread(text + length, 1, size - 1 - length, file)) == size - 1) {
        text = checked(p, goo_memory_realloc_with(p->arena, text, size, size * 2));
        size *= 2;
    }
    if (ferror(file)) {
        fail(p, NULL, strerror(errno));
    }
    if (memchr(text, '\0', length) != NULL) {
        fail(p, NULL, "the input is no text");
    }
    text[length] = '\0';
    return text;
}

static void print_statistics(const Parser *p, size_t statements, GooAllocator *memory) {
    GooAllocStats given = goo_get_alloc_stats(p->arena);
    GooAllocStats taken = goo_get_alloc_stats(memory);
    printf("%zu statements\n", statements);
    printf("arena: %zu blocks of %zu bytes, in %zu blocks of %zu bytes of its parent\n",
           given.allocation_count, given.bytes_allocated, taken.allocation_count,
           taken.bytes_allocated);
    printf("guesses: %zu, of which %zu were wrong and gave %zu bytes back\n", p->guesses,
           p->wrong_guesses, p->bytes_rewound);
}

/* Parses and prints a file, or with NULL the built-in text. False: that was said. */
static bool run(Parser *p, FILE *file, GooAllocator *memory) {
    if (setjmp(p->on_error) != 0) {
        return false;
    }
    size_t statements = 0;
    p->token = scan(p, file != NULL ? read_text(p, file) : builtin_text);
    for (; p->token->kind != TOKEN_END; statements++) {
        print_tree(parse_statement(p));
        putchar('\n');
    }
    print_statistics(p, statements, memory);
    return true;
}

int main(int argc, char **argv) {
    if (argc > 2 || (argc == 2 && argv[1][0] == '-' && argv[1][1] != '\0')) {
        bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr, "Usage: tokenizer [FILE]    ('-': standard input; without "
                                        "FILE: a built-in text)\n");
        return help ? 0 : EXIT_MISUSE;
    }
    FILE *file = argc < 2 ? NULL : strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "r");
    if (argc == 2 && file == NULL) {
        fprintf(stderr, "tokenizer: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    GooAllocator *memory = goo_tracking_allocator_create(NULL);
    GooAllocator *arena = goo_arena_allocator_create_with(memory, NULL);
    bool good = false;
    if (memory != NULL && arena != NULL) {
        arena->track_stats = true; /* for the figures at the end; costs 16 bytes a block */
        Parser parser = {.arena = arena};
        good = run(&parser, file, memory);
    }
    goo_allocator_destroy(arena); /* text, tokens and trees, also after an error */
    goo_allocator_destroy(memory);
    if (file != NULL) {
        fclose(file);
    }
    return good ? 0 : 1;
}
