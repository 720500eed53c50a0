/* A tokenizer small enough to read, for the tests of this folder. */
#ifndef TESTS_TEXT_TINY_H
#define TESTS_TEXT_TINY_H

#define TINY_MODEL                                                                                                     \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","                  \
    "\"max_input_chars_per_word\":20,\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,"         \
    "\"hello\":5,\"world\":6,\"##s\":7,\"a\":8,\"b\":9,\"c\":10,\"d\":11,\",\":12,\"un\":13,\"##hello\":14,\"e\":15}}"

#define TINY_PARTS                                                                                                     \
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"                   \
    "\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"                    \
    "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]},"                    \
    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"

#define TINY_ADDED                                                                                                     \
    "\"added_tokens\":[{\"id\":0,\"content\":\"[PAD]\",\"special\":true,\"normalized\":false},"                        \
    "{\"id\":1,\"content\":\"[UNK]\",\"special\":true,\"normalized\":false},"                                          \
    "{\"id\":2,\"content\":\"[CLS]\",\"special\":true,\"normalized\":false},"                                          \
    "{\"id\":3,\"content\":\"[SEP]\",\"special\":true,\"normalized\":false},"                                          \
    "{\"id\":4,\"content\":\"[MASK]\",\"special\":true,\"normalized\":false,\"lstrip\":true},"                         \
    "{\"id\":16,\"content\":\"NEW\",\"special\":false,\"normalized\":true}],"

#define TINY "{\"version\":\"1.0\"," TINY_ADDED TINY_PARTS TINY_MODEL "}"
#define TINY_CONFIG "{\"model_max_length\":16,\"padding_side\":\"right\",\"pad_token\":\"[PAD]\"}"

#endif
