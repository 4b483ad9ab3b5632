/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that answers to predictions share. An answer is held until its client has read it, and
 * a small request may ask for a large one. As for bodies (http/body.h), while others hold room an
 * answer may take half of what they leave, so that clients who do not read leave room for others.
 */
#ifndef ANSWER_ROOM_H
#define ANSWER_ROOM_H

#include "api/app.h"
#include "live/served.h"

/* Answers of up to so many bytes are neither counted nor refused. */
#define ANSWER_SMALL ((size_t)1 << 20)

/* Room that one answer has taken; in the arena of its request. */
struct answer_claim {
    struct app *app;
    size_t n_bytes;            /* 0: none */
    struct body_source source; /* what is sent, while it is sent */
};

/* ERR_TOO_LARGE: larger than the whole room; ERR_BUSY, with retry_s: than what it may take now. */
enum err_code answer_room_claim(struct app *app, size_t n_bytes, struct answer_claim *claim,
                                struct err *err) MUST_CHECK;
/* The same for a small answer too: one that is held for as long as its client likes. */
enum err_code answer_room_claim_always(struct app *app, size_t n_bytes, struct answer_claim *claim,
                                       struct err *err) MUST_CHECK;
/* The same, without a refusal that would be counted; false: there is no such room. */
bool answer_room_try(struct app *app, size_t n_bytes, struct answer_claim *claim) MUST_CHECK;
/* An empty claim is fine. */
void answer_room_release(struct answer_claim *claim);
/* Has the room given back once the answer is sent or cut. */
void answer_room_hand_over(struct answer_claim *claim, struct response *res);

/* A version from which an answer is made while it is read; in the arena of its request. */
struct answer_model {
    struct app *app;
    struct served *served; /* NULL: none */
};

/*
 * Takes a reference to the version until the answer has been read. Such versions stay in memory for
 * as long as clients like, even when the table of models has let go of them, so those of all
 * clients together may be as large as answers_mb; one that is alone may be larger. ERR_BUSY, with
 * retry_s.
 */
enum err_code answer_model_hold(struct app *app, struct served *served, struct answer_model *model,
                                struct err *err) MUST_CHECK;
/* An empty one is fine. */
void answer_model_release(struct answer_model *model);

#endif
