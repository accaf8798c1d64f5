/* Grüße: 60 columns, in more bytes than that: äöüäöüäöü. */
