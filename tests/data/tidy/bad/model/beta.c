static const char *const message = "this line is wider than 60";
int beta_tick(int n)
{
    return ERR_no_room;
}
int one;
int two;
int three;
int four;
int five;
int six;
int seven;
int eight;
int nine;
int ten;
int eleven;
int twelve;
int thirteen;
int fourteen;
int fifteen;
int sixteen;
int seventeen;
int eighteen;
int nineteen;
int twenty;
int twenty_one;
int twenty_two;
int twenty_three;
int twenty_four;
int twenty_five;
int twenty_six;
